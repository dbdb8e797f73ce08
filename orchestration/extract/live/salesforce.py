# ruff: noqa: S608 - queries are put together of names that a source module declares, and of times
"""Salesforce: one object by SOQL, with what lies in its recycle bin.

Facts from its REST API guide: `queryAll` also gives deleted records (`IsDeleted`), 2,000 a page, the next one by
`nextRecordsUrl`, good for two days (`INVALID_QUERY_LOCATOR` after that); SystemModstamp also moves when the system
itself changes a record, LastModifiedDate does not. The bin is emptied after 15 days: fetch more often than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

from orchestration.extract.live.api import Api
from orchestration.extract.live.feed import Record
from orchestration.extract.live.line import Rate
from orchestration.extract.live.listing import Listing
from orchestration.extract.live.oauth import RefreshToken

_TIME = "SystemModstamp"


def salesforce(rates: Sequence[Rate] = ()) -> Api:
    """The API of an organisation, by a connected app with client credentials or a refresh token.

    SALESFORCE_URL is its own address, https://<domain>.my.salesforce.com.
    """
    return Api(
        required=("URL", "CLIENT_ID", "CLIENT_SECRET"),
        optional=("REFRESH_TOKEN",),
        path="/services/data/v62.0/",
        auth=lambda settings: RefreshToken(
            access_token_url=f"{settings['URL'].rstrip('/')}/services/oauth2/token",
            client_id=settings["CLIENT_ID"],
            client_secret=settings["CLIENT_SECRET"],
            refresh_token=settings.get("REFRESH_TOKEN", ""),
        ),
        rates={"": tuple(rates)},
        # 25 calls that take longer than 20 seconds at a time; ours take less
        parallel=4,
        throttles=frozenset({"REQUEST_LIMIT_EXCEEDED"}),
    )


def soql(object: str, fields: str) -> Listing:
    """The records of an object with these fields, Id, SystemModstamp and IsDeleted."""
    select = f"SELECT Id, {_TIME}, IsDeleted, {', '.join(fields.split())} FROM {object}"
    order = f"ORDER BY {_TIME}, Id"
    return Listing(
        "queryAll",
        "records",
        _next_records,
        id="Id",
        changed=_TIME,
        params={"q": f"{select} {order}"},
        since={"q": f"{select} WHERE {_TIME} >= {{since}} {order}"},
        between={"q": f"{select} WHERE {_TIME} >= {{since}} AND {_TIME} < {{until}} {order}"},
        gone=_is_deleted,
    )


def _next_records() -> JSONLinkPaginator:
    return JSONLinkPaginator("nextRecordsUrl")


def _is_deleted(record: Record) -> Any:
    return record.get("IsDeleted")
