"""Members of a list, and nothing else: neither consent nor profiles are touched.

A look-up asks the list, not the account: who is a member already was put there by somebody else, and stays when the
person leaves the model. People without a profile are refused as `not_found`: sync the profiles first.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import quote

from reverse_etl.destination import Batch, Found, Outcome, Row
from reverse_etl.destinations.klaviyo.client import Client, folded
from reverse_etl.destinations.klaviyo.profiles import ids


class Lists:
    """One list."""

    def __init__(self, client: Client, key: str, list_id: str) -> None:
        self._client = client
        self._key = key
        self._path = f"/lists/{quote(list_id)}"

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The profile ids of those keys that are members."""
        found = await self._client.profiles(self._key, keys, path=f"{self._path}/profiles")
        return {
            key: [profile["id"] for profile in found[folded(self._key, key)]]
            for key in keys
            if folded(self._key, key) in found
        }

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        asked = [row.key for row in batch.rows if row.destination_id is None or row.moved_from is not None]
        known = await ids(self._client, self._key, asked) if asked else {}
        members: list[tuple[Row, str]] = []
        former: list[str] = []
        for row in batch.rows:
            profile = next(iter(known.get(row.key, ())), row.destination_id)
            if profile is None:
                yield Outcome(row.key, "rejected", error_class="not_found")
                continue
            if row.moved_from is not None and row.destination_id not in (None, profile) and row.created_by_us:
                former.append(row.destination_id or "")
            members.append((row, profile))
        if members:
            await self._change("POST", [profile for _, profile in members])
        if former:
            await self._change("DELETE", former)
        for row, profile in members:
            yield Outcome(row.key, "accepted", destination_id=profile)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        ours = [row.destination_id for row in batch.rows if row.created_by_us and row.destination_id]
        if ours:
            await self._change("DELETE", ours)
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        members = await self.lookup([row.key for row in rows])
        for row in rows:
            for profile in members.get(row.key, ()):
                yield Found(row.key, profile, {})

    async def _change(self, method: str, profiles: Sequence[str]) -> None:
        content = {"data": [{"type": "profile", "id": profile} for profile in profiles]}
        await self._client.call(method, f"{self._path}/relationships/profiles", content=content)
