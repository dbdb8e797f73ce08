"""Zendesk, the support desk: its API's records, whole, each time one changed."""

from collections.abc import Iterable, Iterator

from dlt.sources.helpers.rest_client.auth import HttpBasicAuth
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api, Export, Listing, Rate, Record

source = Source(
    "zendesk",
    Api(
        # ZENDESK_URL is https://<subdomain>.zendesk.com
        required=("URL", "EMAIL", "API_TOKEN"),
        path="/api/v2/",
        auth=lambda settings: HttpBasicAuth(f"{settings['EMAIL']}/token", settings["API_TOKEN"]),
        # the least of the plans allows 200 a minute; exports have a limit of their own
        rates={"": (Rate(200, 60),), "incremental/": (Rate(10, 60),)},
        parallel=4,
        quota="X-Rate-Limit-Remaining",
    ),
)


def written(events: Iterable[Record]) -> Iterator[Record]:
    """The comments in an export of ticket events: they stand within the event that brought them."""
    for event in events:
        for child in event.get("child_events") or ():
            if child.get("event_type") == "Comment":
                yield {"created_at": event.get("created_at"), **child, "ticket_id": event.get("ticket_id")}


def marks() -> JSONResponseCursorPaginator:
    """Zendesk's pages by cursor: the last one has a cursor, too."""
    return JSONResponseCursorPaginator("meta.after_cursor", "page[after]", has_more_path="meta.has_more")


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="name email phone role locale time_zone external_id created_at",
    live=Export(
        "incremental/users/cursor.json",
        "users",
        "after_cursor",
        "cursor",
        gone=lambda user: user.get("active") is False,
    ),
)
def users(records: Records) -> Stream:
    """One row per user and change."""
    return records.files()


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="subject description status priority type requester_id assignee_id tags via created_at",
    live=Export(
        "incremental/tickets/cursor.json",
        "tickets",
        "after_cursor",
        "cursor",
        gone=lambda ticket: ticket.get("status") == "deleted",
    ),
)
def tickets(records: Records) -> Stream:
    """One row per ticket and change."""
    return records.files()


@source.table(
    required={"id": "text", "created_at": "timestamp"},
    optional="ticket_id author_id body public",
    live=Export(
        "incremental/ticket_events.json",
        "ticket_events",
        "end_time",
        "start_time",
        params={"include": "comment_events"},
        expand=written,
        changed="created_at",
    ),
)
def comments(records: Records) -> Stream:
    """One row per comment on a ticket."""
    return records.files()


@source.table(
    required={"id": "text", "updated_at": "timestamp"},
    optional="ticket_id requester_id score comment created_at",
    live=Listing(
        "satisfaction_ratings.json",
        "satisfaction_ratings",
        marks,
        params={"page[size]": "100"},
        since={"start_time": "{since}"},
        between={"start_time": "{since}", "end_time": "{until}"},
        times="%s",
    ),
)
def satisfaction_ratings(records: Records) -> Stream:
    """One row per rating and change."""
    return records.files()
