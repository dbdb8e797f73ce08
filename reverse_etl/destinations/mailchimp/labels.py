"""Who has a tag, who is in a static segment: membership alone, of people who are in the audience already.

A tag is set member by member, a static segment in batches of 500; both are the same thing to Mailchimp, and a member's
`tags` list them. Neither touches a subscription.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from reverse_etl.destination import Batch, Outcome, Row
from reverse_etl.destinations.mailchimp.client import Client, member_path
from reverse_etl.errors import ConfigurationError
from reverse_etl.http import body


class Labels:
    """The tag `tag`, or the static segment `segment_id`."""

    def __init__(self, client: Client, tag: str | None, segment_id: int | None) -> None:
        self._client = client
        self._tag = tag
        self._segment = segment_id

    async def check(self, sync: str) -> None:
        """Raises ConfigurationError when the segment is not there or is one that Mailchimp fills by conditions."""
        if self._segment is None:
            return
        response = await self._client.call("GET", f"/segments/{self._segment}", expect=(404,))
        if response.status_code == 404 or body(response).get("type") != "static":
            raise ConfigurationError(f"{sync}: {self._segment} is no static segment of the mailchimp audience")

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._set(batch.rows, True)

    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._set(batch.rows, False)

    def has(self, member: Mapping[str, Any]) -> bool:
        return any(
            tag.get("name") == self._tag if self._segment is None else tag.get("id") == self._segment
            for tag in member.get("tags") or ()
        )

    async def _set(self, rows: Iterable[Row], wanted: bool) -> AsyncIterator[Outcome]:
        if self._segment is not None:
            async for outcome in self._in_segment(rows, wanted):
                yield outcome
            return
        content = {"tags": [{"name": self._tag, "status": "active" if wanted else "inactive"}]}
        for row in rows:
            response = await self._client.call("POST", f"{member_path(row.key)}/tags", json=content, expect=(404,))
            yield _absent(row, wanted) if response.status_code == 404 else Outcome(row.key, "accepted")

    async def _in_segment(self, rows: Iterable[Row], wanted: bool) -> AsyncIterator[Outcome]:
        left = {row.key.lower(): row for row in rows}
        verb, done = ("members_to_add", "members_added") if wanted else ("members_to_remove", "members_removed")
        content = {verb: [row.key for row in left.values()]}
        answer = body(await self._client.call("POST", f"/segments/{self._segment}", json=content))
        for member in answer.get(done) or ():
            if row := left.pop(str(member.get("email_address", "")).lower(), None):
                yield Outcome(row.key, "accepted")
        # not in the audience, or there already: the text of the error is no code, so ask
        for row in left.values():
            response = await self._client.call("GET", member_path(row.key), params={"fields": "tags"}, expect=(404,))
            if response.status_code == 404:
                yield _absent(row, wanted)
            elif self.has(body(response)) == wanted:
                yield Outcome(row.key, "accepted")
            else:
                yield Outcome(row.key, "rejected", error_class="not_taken")


def _absent(row: Row, wanted: bool) -> Outcome:
    return Outcome(row.key, "rejected", error_class="not_found") if wanted else Outcome(row.key, "accepted")
