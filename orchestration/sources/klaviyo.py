"""Klaviyo: e-mail and SMS marketing, records of its JSON:API."""

from orchestration.extract import Records, Source, Stream

source = Source("klaviyo")


@source.table(
    required={"id": "text"},
    optional="type attributes",
)
def profiles(records: Records) -> Stream:
    """One row per profile and change."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="type attributes",
)
def metrics(records: Records) -> Stream:
    """One row per kind of event."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="type attributes relationships",
)
def events(records: Records) -> Stream:
    """One row per message received, opened, clicked and so on."""
    return records.files()
