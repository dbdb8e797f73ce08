"""Klaviyo: e-mail and SMS marketing, records of its JSON:API."""

from datetime import timedelta

from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api, ByIds, Listing, Rate

source = Source(
    "klaviyo",
    Api(
        required=("API_KEY",),
        optional=("ACCOUNT",),
        url="https://a.klaviyo.com",
        path="/api/",
        auth=lambda settings: APIKeyAuth("Authorization", f"Klaviyo-API-Key {settings['API_KEY']}"),
        headers=lambda _: {"revision": "2026-07-15", "Accept": "application/vnd.api+json"},
        # the specification of the same revision says them for each path
        rates={
            "profiles": (Rate(75, 1), Rate(750, 60)),
            "metrics": (Rate(10, 1), Rate(150, 60)),
            "events": (Rate(350, 1), Rate(3500, 60)),
        },
        parallel=3,
        quota="RateLimit-Remaining",
    ),
)


def links() -> JSONLinkPaginator:
    return JSONLinkPaginator("links.next")


@source.table(
    required={"id": "text"},
    optional="type attributes",
    live=Listing(
        "profiles",
        "data",
        links,
        changed="attributes.updated",
        params={"page[size]": "100", "sort": "updated", "additional-fields[profile]": "subscriptions"},
        since={"filter": "greater-than(updated,{since})"},
        between={"filter": "and(greater-than(updated,{since}),less-than(updated,{until}))"},
        # a full list is 1 call per 100 profiles, and people are seldom deleted there
        deleted=ByIds({"page[size]": "100", "sort": "id", "fields[profile]": "created"}, every=timedelta(days=7)),
    ),
)
def profiles(records: Records) -> Stream:
    """One row per profile and change."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="type attributes",
    live=Listing("metrics", "data", links, changed=None),
)
def metrics(records: Records) -> Stream:
    """One row per kind of event."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="type attributes relationships",
    live=Listing(
        "events",
        "data",
        links,
        changed="attributes.datetime",
        params={"page[size]": "1000", "sort": "datetime"},
        since={"filter": "greater-or-equal(datetime,{since})"},
        between={"filter": "and(greater-or-equal(datetime,{since}),less-than(datetime,{until}))"},
        # an event has the time at which it happened, and some come in later
        overlap=timedelta(hours=1),
    ),
)
def events(records: Records) -> Stream:
    """One row per message received, opened, clicked and so on."""
    return records.files()
