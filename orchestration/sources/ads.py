"""Advertising: what each campaign cost on each day, from Google Ads, Meta and whoever else hands over files."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api, Record, RefreshToken, Report

source = Source("ads")

GOOGLE = Api(
    name="google_ads",
    required=("CUSTOMER_ID", "DEVELOPER_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"),
    # the manager account that gives access, where there is one
    optional=("LOGIN_CUSTOMER_ID", "TOKEN_URL"),
    url="https://googleads.googleapis.com",
    path="/v26/customers/{CUSTOMER_ID}/",
    auth=lambda settings: RefreshToken(
        access_token_url=settings.get("TOKEN_URL", "https://oauth2.googleapis.com/token"),
        client_id=settings["CLIENT_ID"],
        client_secret=settings["CLIENT_SECRET"],
        refresh_token=settings["REFRESH_TOKEN"],
    ),
    headers=lambda settings: {
        "developer-token": settings["DEVELOPER_TOKEN"],
        **({"login-customer-id": settings["LOGIN_CUSTOMER_ID"]} if "LOGIN_CUSTOMER_ID" in settings else {}),
    },
)
META = Api(
    name="meta_ads",
    required=("ACCOUNT_ID", "ACCESS_TOKEN"),
    url="https://graph.facebook.com",
    path="/v25.0/act_{ACCOUNT_ID}/",
    auth=lambda settings: BearerTokenAuth(settings["ACCESS_TOKEN"]),
    # answers of HTTP 400: too many calls of the app, the user, the page, the account, of insights
    throttles=frozenset({"4", "17", "32", "613", "80000", "80004"}),
)


def google(client: RESTClient, first: date, last: date) -> Iterator[Record]:
    """Rows of Google Ads; a campaign's cost is in millionths."""
    query = (
        "SELECT segments.date, campaign.id, campaign.name, metrics.impressions, metrics.clicks, metrics.cost_micros, "  # noqa: S608
        f"customer.currency_code FROM campaign WHERE segments.date BETWEEN '{first}' AND '{last}'"
    )
    for batch in client.post("googleAds:searchStream", json={"query": query}).json():
        for row in batch.get("results", ()):
            metrics = row.get("metrics", {})
            yield {
                "date": row["segments"]["date"],
                "channel": "google",
                "campaign": row["campaign"]["name"],
                "campaign_id": row["campaign"]["id"],
                "impressions": metrics.get("impressions", "0"),
                "clicks": metrics.get("clicks", "0"),
                "cost": str(Decimal(metrics.get("costMicros", "0")) / 1_000_000),
                "currency": row["customer"]["currencyCode"],
            }


def meta(client: RESTClient, first: date, last: date) -> Iterator[Record]:
    """Rows of Meta's insights."""
    asked = {
        "level": "campaign",
        "time_increment": "1",
        "fields": "campaign_id,campaign_name,impressions,clicks,spend,account_currency",
        "time_range": json.dumps({"since": str(first), "until": str(last)}),
        "limit": "500",
    }
    pages = client.paginate("insights", params=asked, paginator=JSONLinkPaginator("paging.next"), data_selector="data")
    for page in pages:
        for row in page:
            yield {
                "date": row["date_start"],
                "channel": "meta",
                "campaign": row["campaign_name"],
                "campaign_id": row["campaign_id"],
                "impressions": row.get("impressions", "0"),
                "clicks": row.get("clicks", "0"),
                "cost": row.get("spend", "0"),
                "currency": row["account_currency"],
            }


KEYS = ("date", "channel", "campaign_id")


@source.table(
    required={"date": "date", "campaign": "text"},
    optional="channel impressions clicks cost currency",
    live=(Report(GOOGLE, google, KEYS), Report(META, meta, KEYS)),
)
def campaign_costs(records: Records) -> Stream:
    """One row per channel, campaign and day."""
    return records.files()
