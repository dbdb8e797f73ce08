"""Zendesk, the support desk: its API's records, whole, each time one changed."""

from orchestration.extract import Records, Source, Stream

source = Source("zendesk")


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="name email phone role locale time_zone external_id created_at",
)
def users(records: Records) -> Stream:
    """One row per user and change."""
    return records.files()


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="subject description status priority type requester_id assignee_id tags via created_at",
)
def tickets(records: Records) -> Stream:
    """One row per ticket and change."""
    return records.files()


@source.table(
    required={"id": "text", "created_at": "timestamp"},
    optional="ticket_id author_id body public",
)
def comments(records: Records) -> Stream:
    """One row per comment on a ticket."""
    return records.files()


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="ticket_id requester_id score comment created_at",
)
def satisfaction_ratings(records: Records) -> Stream:
    """One row per rating and change."""
    return records.files()
