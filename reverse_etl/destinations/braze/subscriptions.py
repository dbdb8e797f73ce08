"""Subscription groups: who is `Unknown` to a group may be subscribed; who is `Unsubscribed` never is.

Two questions come before each change: the person's state in the group, and the person's own `email_subscribe`. A change
by external id also changes everybody else with the same address or number (docs: `/v2/subscription/status/set`), which
is one more reason to ask first.
"""

from collections.abc import AsyncIterator, Sequence

from reverse_etl.destination import Outcome, Row
from reverse_etl.destinations.braze.client import IDS, Client
from reverse_etl.errors import ConfigurationError, Rejected, Retryable
from reverse_etl.http import body


class Subscriptions:
    """One subscription group."""

    def __init__(self, client: Client, group: str) -> None:
        self._client = client
        self._group = group

    async def check(self, sync: str) -> None:
        """Raises ConfigurationError when the group is not there."""
        try:
            await self.statuses(["kinship-check"])
        except Rejected as refused:
            raise ConfigurationError(
                f"{sync}: braze does not know the subscription_group_id of the options ({refused.error_class})"
            ) from None

    async def statuses(self, ids: Sequence[str]) -> dict[str, str]:
        """`subscribed`, `unsubscribed` or `unknown`, by external id."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), IDS):
            parameters = [("subscription_group_id", self._group)]
            parameters += [("external_id[]", name) for name in ids[start : start + IDS]]
            answer = body(await self._client.call("GET", "/subscription/status/get", params=parameters))
            found |= {str(name): str(status).lower() for name, status in (answer.get("status") or {}).items()}
        return found

    async def send(self, rows: Sequence[Row]) -> AsyncIterator[Outcome]:
        names = [row.key for row in rows]
        statuses = await self.statuses(names)
        users = await self._client.users(names, ["email_subscribe"])
        subscribe = []
        for row in rows:
            row.destination_id = row.key
            user, status = users.get(row.key), statuses.get(row.key, "unknown")
            if user is None:
                yield Outcome(row.key, "rejected", error_class="not_found")
            elif status == "unsubscribed" or user.get("email_subscribe") == "unsubscribed":
                yield Outcome(row.key, "rejected", error_class="opted_out")
            elif status == "subscribed":
                yield Outcome(row.key, "accepted", row.key)
            else:
                subscribe.append(row)
        if subscribe:
            await self._set([row.key for row in subscribe], "subscribed")
            for row in subscribe:
                yield Outcome(row.key, "accepted", row.key)

    async def remove(self, rows: Sequence[Row]) -> AsyncIterator[Outcome]:
        """Who withdrew is unsubscribed from the group; who was merged into somebody is left to the merge."""
        leaving = [row.key for row in rows if row.merge_into is None]
        statuses = await self.statuses(leaving) if leaving else {}
        if subscribed := [name for name in leaving if statuses.get(name) == "subscribed"]:
            await self._set(subscribed, "unsubscribed")
        for row in rows:
            yield Outcome(row.key, "accepted")

    async def _set(self, names: Sequence[str], state: str) -> None:
        change = {"subscription_group_id": self._group, "subscription_state": state, "external_ids": list(names)}
        answer = body(
            await self._client.call("POST", "/v2/subscription/status/set", json={"subscription_groups": [change]})
        )
        if answer.get("message") != "success":
            raise Retryable("no_success", "braze did not say that the subscription group changed")
