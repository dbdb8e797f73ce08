"""Profiles: few go one by one, many in an import job whose errors are fetched afterwards.

* A bulk job cannot clear: NULL there means "as it is" (guide "Use Klaviyo's Bulk Profile Import API", "Clearing fields
  with null values"). One by one, null clears a field, `meta.patch_properties.unset` drops a custom property, and what
  is left out stays (`/api/profile-import`, `/api/profiles/{id}`). So a row with something to clear goes alone.
* Who is known by id is changed by id, without the key: an address that somebody corrected in Klaviyo stays.
* There is no deletion but the privacy request, which also drops what Klaviyo knows of the person's refusals. So a
  removal empties our fields, whoever made the profile, and only an erasure deletes.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reverse_etl.destination import Batch, Found, Outcome, Row, Target
from reverse_etl.destinations.klaviyo.client import Client, code_of, encoded, error_code, folded, parts, row_place
from reverse_etl.errors import Rejected, Retryable
from reverse_etl.http import body

STANDARD = frozenset(
    {
        *("email", "phone_number", "external_id", "first_name", "last_name", "organization", "locale", "title"),
        *("image", "location"),
    }
)
"""Attributes that every profile has; every other column is a custom property."""
_LOCATION = ("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")
_PROFILE_BYTES = 100_000


class Profiles:
    """`bulk_from`: so many rows or more go in a job; `cleared`: what a removal empties."""

    def __init__(
        self,
        client: Client,
        target: Target,
        cleared: Sequence[str],
        bulk_from: int,
        poll_seconds: float,
        job_seconds: float,
    ) -> None:
        self._client = client
        self._target = target
        self._cleared = cleared
        self._bulk_from = bulk_from
        self._poll_seconds = poll_seconds
        self._job_seconds = job_seconds

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return await ids(self._client, self._target.key, keys)

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        many: list[tuple[Row, dict[str, Any]]] = []
        is_bulk = len(batch.rows) >= self._bulk_from
        for row, values in batch.records():
            clears = self._target.on_null == "clear" and any(value is None for value in values.values())
            profile = self._profile(row, values)
            if len(encoded(profile)) > _PROFILE_BYTES:
                yield Outcome(row.key, "rejected", error_class="too_large")
            elif is_bulk and not clears and row.moved_from is None:
                many.append((row, profile))
            else:
                yield await self._one(row, profile)
        for part in parts(many):
            async for outcome in self._job(part):
                yield outcome

    def _profile(self, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        unset = []
        for name, value in values.items():
            if name == self._target.key and row.destination_id and row.moved_from is None:
                continue
            if value is not None:
                (attributes if name in STANDARD else properties)[name] = value
            elif self._target.on_null == "clear" and name != self._target.key:
                if name in STANDARD:
                    attributes[name] = _nothing(name)
                else:
                    unset.append(name)
        if properties:
            attributes["properties"] = properties
        profile: dict[str, Any] = {"type": "profile", "attributes": attributes}
        if row.destination_id:
            profile["id"] = row.destination_id
        if unset:
            profile["meta"] = {"patch_properties": {"unset": unset}}
        return profile

    async def _one(self, row: Row, profile: Mapping[str, Any]) -> Outcome:
        content = {"data": profile}
        refusals = (400, 404, 409, 422)
        if row.destination_id:
            path = f"/profiles/{quote(row.destination_id)}"
            response = await self._client.call("PATCH", path, content=content, expect=refusals)
        else:
            response = await self._client.call("POST", "/profile-import", content=content, expect=refusals)
        if response.is_success:
            return Outcome(row.key, "accepted", destination_id=str(body(response)["data"]["id"]))
        if response.status_code == 404 and row.destination_id:
            return Outcome(row.key, "gone", error_class="not_found")
        return Outcome(row.key, "rejected", error_class=error_code(response) or f"http_{response.status_code}")

    async def _job(self, records: Sequence[tuple[Row, dict[str, Any]]]) -> AsyncIterator[Outcome]:
        response, taken, refused = await self._client.submit(
            "/profile-bulk-import-jobs", records, _import_job, "profiles"
        )
        for outcome in refused:
            yield outcome
        if response is None:
            return
        job = str(body(response)["data"]["id"])
        ended = await self._client.finished(job, self._poll_seconds, self._job_seconds)
        failed = int(ended.get("failed_count") or 0)
        errors: dict[int, str] = {}
        if failed:
            places = _Places(self._target.key, taken)
            async for error in self._client.pages(f"/profile-bulk-import-jobs/{quote(job)}/import-errors", {}):
                place = places.of(error["attributes"])
                if place is not None:
                    errors[place] = code_of(error["attributes"])
            if len(errors) < failed:
                # somebody else of these, and nobody says who: the engine halves the batch until it is clear
                raise Rejected("import_error")
        if int(ended.get("completed_count") or 0) + failed < len(taken):
            raise Retryable("job_incomplete", "klaviyo's import job ended without all of its profiles")
        for place, (row, _) in enumerate(taken):
            if place not in errors:
                yield Outcome(row.key, "accepted", destination_id=row.destination_id)
            elif errors[place] in ("not_found", "profile_not_found") and row.destination_id:
                yield Outcome(row.key, "gone", error_class=errors[place])
            else:
                yield Outcome(row.key, "rejected", error_class=errors[place])

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            if row.merge_into is not None:
                yield await self._merge(row, row.merge_into)
            elif not self._cleared:
                yield Outcome(row.key, "accepted")
            else:
                attributes = {name: _nothing(name) for name in self._cleared if name in STANDARD}
                unset = [name for name in self._cleared if name not in STANDARD]
                profile = {
                    "type": "profile",
                    "id": row.destination_id,
                    "attributes": attributes,
                    "meta": {"patch_properties": {"unset": unset}},
                }
                yield await self._one(row, profile)

    async def _merge(self, row: Row, into: str) -> Outcome:
        """Merge a profile into another of the same person; `into` is an id, or the key where no id is known."""
        known = await ids(self._client, self._target.key, [into])
        keeper = next(iter(known.get(into, ())), into)
        if keeper == row.destination_id:
            return Outcome(row.key, "accepted")
        source = {"profiles": {"data": [{"type": "profile", "id": row.destination_id}]}}
        content = {"data": {"type": "profile-merge", "id": keeper, "relationships": source}}
        response = await self._client.call("POST", "/profile-merge", content=content, expect=(400, 404, 409))
        if response.is_success:
            return Outcome(row.key, "accepted")
        if response.status_code == 404:
            return Outcome(row.key, "gone", error_class="not_found")
        return Outcome(row.key, "rejected", error_class=error_code(response))

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        key = self._target.key
        by_key = await self._client.profiles(key, [row.key for row in rows])
        for row in rows:
            for profile in by_key.get(folded(key, row.key), ()):
                attributes = profile["attributes"]
                held = {**(attributes.get("properties") or {}), **{name: attributes.get(name) for name in STANDARD}}
                yield Found(row.key, profile["id"], {name: held[name] for name in self._target.fields if name in held})


async def ids(client: Client, attribute: str, keys: Sequence[str]) -> dict[str, list[str]]:
    """The profile ids of each key that is there."""
    found = await client.profiles(attribute, keys)
    return {
        key: [profile["id"] for profile in found[folded(attribute, key)]]
        for key in keys
        if folded(attribute, key) in found
    }


async def erase(client: Client, key: str, rows: Iterable[Row]) -> AsyncIterator[Outcome]:
    """Privacy requests, one person each, by exactly one identifier. Everything Klaviyo has of them goes."""
    for row in rows:
        profile: dict[str, Any] = {"type": "profile", "attributes": {}}
        if key in ("email", "phone_number"):
            profile["attributes"] = {key: row.key}
        else:
            known = [row.destination_id] if row.destination_id else (await ids(client, key, [row.key])).get(row.key)
            if not known:
                yield Outcome(row.key, "accepted")
                continue
            profile["id"] = known[0]
        content = {"data": {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": profile}}}}
        response = await client.call("POST", "/data-privacy-deletion-jobs", content=content, expect=(400, 404))
        if response.is_success or response.status_code == 404:
            yield Outcome(row.key, "accepted")
        else:
            yield Outcome(row.key, "rejected", error_class=error_code(response))


class _Places:
    """Which row an import error is about: by its pointer, or else by the payload that it gives back."""

    def __init__(self, key: str, records: Sequence[tuple[Row, Mapping[str, Any]]]) -> None:
        self._key = key
        self._count = len(records)
        self._by_id = {profile["id"]: place for place, (_, profile) in enumerate(records) if "id" in profile}
        self._by_key = {folded(key, row.key): place for place, (row, _) in enumerate(records)}

    def of(self, error: Mapping[str, Any]) -> int | None:
        place = row_place(error, "profiles")
        if place is not None:
            return place if place < self._count else None
        payload = error.get("original_payload") or {}
        attributes = payload.get("attributes") or payload
        if (named := self._by_id.get(payload.get("id"))) is not None:
            return named
        return self._by_key.get(folded(self._key, str(attributes.get(self._key) or "")))


def _import_job(profiles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": list(profiles)}}}}


def _nothing(name: str) -> Any:
    return dict.fromkeys(_LOCATION) if name == "location" else None
