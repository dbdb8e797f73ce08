"""Google Ads and Meta's insights on loopback.

Facts from https://developers.google.com/google-ads/api/rest/common/search (searchStream answers a list of batches, its
numbers are texts, cost in millionths), https://developers.google.com/identity/protocols/oauth2 (refresh) and
https://developers.facebook.com/docs/marketing-api/insights (rows by day, `paging.next`; too many calls is HTTP 400 with
error code 17 or 80000).
"""

import json
import re
from typing import Any
from urllib.parse import urlencode

from servers.base import Answer, Request, ToolServer


class AdsServer(ToolServer):
    """`costs`: (channel, campaign, day) -> cost in cents."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[tuple[str, str, str], int] = {}
        self.tokens = 0
        """How many access tokens were given."""
        self.expires_in = 3600
        self.throttled = 0
        """How many of Meta's next answers say: too many."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GOOGLE_ADS_URL": self.url,
            "GOOGLE_ADS_TOKEN_URL": f"{self.url}/token",
            "GOOGLE_ADS_CUSTOMER_ID": "1234567890",
            "GOOGLE_ADS_DEVELOPER_TOKEN": "dev",
            "GOOGLE_ADS_CLIENT_ID": "id",
            "GOOGLE_ADS_CLIENT_SECRET": "secret",
            "GOOGLE_ADS_REFRESH_TOKEN": "refresh",
            "META_ADS_URL": self.url,
            "META_ADS_ACCOUNT_ID": "42",
            "META_ADS_ACCESS_TOKEN": "EAAB",
        }

    def handle(self, request: Request) -> Answer:
        if request.path == "/token":
            if request.form().get("refresh_token") != "refresh":
                return Answer(400, {"error": "invalid_grant", "error_description": "Bad Request"})
            self.tokens += 1
            return Answer(200, {"access_token": f"ya29.{self.tokens}", "expires_in": self.expires_in})
        if request.path == "/v26/customers/1234567890/googleAds:searchStream":
            return self._google(request)
        if request.path == "/v25.0/act_42/insights":
            return self._meta(request)
        return Answer(404, {"error": {"code": 404, "status": "NOT_FOUND"}})

    def _rows(self, channel: str, first: str, last: str) -> list[tuple[str, str, int]]:
        return sorted(
            (day, campaign, cents)
            for (name, campaign, day), cents in self.costs.items()
            if name == channel and first <= day <= last
        )

    def _google(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer ya29.{self.tokens}":
            return Answer(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        if request.headers.get("developer-token") != "dev":
            return Answer(403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}})
        [(first, last)] = re.findall(r"BETWEEN '([\d-]+)' AND '([\d-]+)'", request.json()["query"])
        rows: list[dict[str, Any]] = [
            {
                "campaign": {
                    "resourceName": f"customers/1/campaigns/{campaign}",
                    "id": campaign,
                    "name": "c" + campaign,
                },
                "segments": {"date": day},
                "metrics": {"impressions": "10", "clicks": "1", "costMicros": str(cents * 10_000)},
                "customer": {"resourceName": "customers/1", "currencyCode": "EUR"},
            }
            for day, campaign, cents in self._rows("google", first, last)
        ]
        return Answer(200, [{"results": rows[start : start + 50]} for start in range(0, len(rows), 50)])

    def _meta(self, request: Request) -> Answer:
        if request.headers.get("authorization") != "Bearer EAAB":
            return Answer(400, {"error": {"message": "x", "type": "OAuthException", "code": 190}})
        if self.throttled:
            self.throttled -= 1
            return Answer(400, {"error": {"message": "x", "type": "OAuthException", "code": 17}})
        span = json.loads(request.query["time_range"])
        rows = self._rows("meta", span["since"], span["until"])
        start = int(request.query.get("after", 0))
        page = [
            {
                "campaign_id": campaign, "campaign_name": f"c{campaign}", "impressions": "10", "clicks": "1",
                "spend": f"{cents / 100:.2f}", "account_currency": "EUR", "date_start": day, "date_stop": day,
            }
            for day, campaign, cents in rows[start : start + 25]
        ]  # fmt: skip
        paging: dict[str, Any] = {"cursors": {"after": str(start + 25)}}
        if len(rows) > start + 25:
            paging["next"] = f"{self.url}{request.path}?{urlencode({**request.query, 'after': start + 25})}"
        return Answer(200, {"data": page, "paging": paging})
