"""Consent for one channel: subscribes who agreed elsewhere, unsubscribes who withdrew.

* The subscribe job lifts suppressions (`UNSUBSCRIBE`, `SPAM_REPORT`, `USER_SUPPRESSED`) without a word. So each
  person's state is read right before, and who unsubscribed or is suppressed there is refused as `opted_out`.
* Without `historical_import` and a `consented_at` in the past, double opt-in mails go out and flows start. Both are
  always sent; `consented_at` is a column of the model, from our consent table.
* The unsubscribe job unsubscribes profiles that are not in the given list **from everything**, and makes profiles for
  addresses it does not know. With `unsubscribe` = `list` (the default) membership is asked right before, and only
  members go into the job; without a list, only `everywhere` says that this is wanted.
* Neither job can be asked for its result: 202 is all there is. `kinship drift` reads it back.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from reverse_etl.destination import Batch, Found, Outcome, Row
from reverse_etl.destinations.klaviyo.client import Client, folded
from reverse_etl.destinations.klaviyo.profiles import ids

Channel = Literal["email", "sms"]
_IDENTIFIER = {"email": "email", "sms": "phone_number"}
_UNDELIVERABLE = frozenset({"HARD_BOUNCE", "INVALID_EMAIL"})
_UNSUBSCRIBED_AT_ONCE = 100


class Consent:
    """`list_id`: subscribe to this list; `everywhere`: unsubscribe from everything."""

    def __init__(
        self, client: Client, key: str, channel: Channel, list_id: str | None, everywhere: bool, source: str | None
    ) -> None:
        self._client = client
        self._key = key
        self._channel: Channel = channel
        self._identifier = _IDENTIFIER[channel]
        self._list_id = list_id
        self._everywhere = everywhere
        self._source = source

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return await ids(self._client, self._key, keys)

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        now = datetime.now(UTC)
        known = await self._client.profiles(self._key, [row.key for row in batch.rows], subscriptions=True)
        agreed: list[tuple[Row, dict[str, Any]]] = []
        for row, values in batch.records():
            profile = next(iter(known.get(folded(self._key, row.key), ())), None)
            identifier = values.get(self._identifier) or (row.key if self._identifier == self._key else None)
            reason = refusal(profile, self._channel, self._list_id) if profile else None
            if reason is None:
                reason = _no_proof(values.get("consented_at"), now)
            if reason is None and not identifier:
                reason = f"no_{self._identifier}"
            if reason is not None:
                yield Outcome(row.key, "rejected", error_class=reason)
                continue
            agreement = {"consent": "SUBSCRIBED", "consented_at": _moment(values["consented_at"]).isoformat()}
            attributes = {self._key: row.key, self._identifier: identifier}
            attributes["subscriptions"] = {self._channel: {"marketing": agreement}}
            agreed.append((row, {"type": "profile", "attributes": attributes}))
        _, taken, refused = await self._client.submit(
            "/profile-subscription-bulk-create-jobs", agreed, self._subscription_job, "profiles"
        )
        for outcome in refused:
            yield outcome
        for row, _ in taken:
            yield Outcome(row.key, "accepted", destination_id=row.destination_id)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Unsubscribe who withdrew; the engine has looked everybody up, so nobody is made by it."""
        rows = [row for row in batch.rows if row.merge_into is None]
        path = "/profiles" if self._everywhere else f"/lists/{quote(self._list_id or '')}/profiles"
        there = await self._client.profiles(self._key, [row.key for row in rows], path=path, subscriptions=True)
        leaving = []
        for row in rows:
            for profile in there.get(folded(self._key, row.key), ()):
                identifier = profile["attributes"].get(self._identifier)
                if identifier and refusal(profile, self._channel, self._list_id) is None:
                    change = {self._channel: {"marketing": {"consent": "UNSUBSCRIBED"}}}
                    attributes = {self._identifier: identifier, "subscriptions": change}
                    leaving.append({"type": "profile", "attributes": attributes})
        for start in range(0, len(leaving), _UNSUBSCRIBED_AT_ONCE):
            job = {"profiles": {"data": leaving[start : start + _UNSUBSCRIBED_AT_ONCE]}}
            content = self._job(
                "profile-subscription-bulk-delete-job", job, None if self._everywhere else self._list_id
            )
            await self._client.call("POST", "/profile-subscription-bulk-delete-jobs", content=content)
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        known = await self._client.profiles(self._key, [row.key for row in rows], subscriptions=True)
        for row in rows:
            for profile in known.get(folded(self._key, row.key), ()):
                if _marketing(profile, self._channel).get("consent") == "SUBSCRIBED":
                    yield Found(row.key, profile["id"], {self._key: profile["attributes"].get(self._key)})

    def _subscription_job(self, profiles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        attributes: dict[str, Any] = {"historical_import": True, "profiles": {"data": list(profiles)}}
        if self._source:
            attributes["custom_source"] = self._source
        return self._job("profile-subscription-bulk-create-job", attributes, self._list_id)

    @staticmethod
    def _job(kind: str, attributes: Mapping[str, Any], list_id: str | None) -> dict[str, Any]:
        job: dict[str, Any] = {"type": kind, "attributes": attributes}
        if list_id is not None:
            job["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
        return {"data": job}


def refusal(profile: Mapping[str, Any], channel: Channel, list_id: str | None) -> str | None:
    """Why a profile must not be subscribed; None: nothing is known against it."""
    marketing = _marketing(profile, channel)
    if marketing.get("consent") == "UNSUBSCRIBED":
        return "opted_out"
    reasons = {str(entry.get("reason")) for entry in marketing.get("suppression") or ()}
    reasons |= {
        str(entry.get("reason"))
        for entry in marketing.get("list_suppressions") or ()
        if entry.get("list_id") == list_id
    }
    if not reasons:
        return None
    return "undeliverable" if reasons <= _UNDELIVERABLE else "opted_out"


def suppressions(profile: Mapping[str, Any], list_id: str | None) -> Iterable[datetime]:
    """When the person refused e-mail: everywhere, or on our list. Bounces are no refusals."""
    marketing = _marketing(profile, "email")
    entries = list(marketing.get("suppression") or ())
    entries += [entry for entry in marketing.get("list_suppressions") or () if entry.get("list_id") == list_id]
    return [_moment(entry["timestamp"]) for entry in entries if entry.get("reason") not in _UNDELIVERABLE]


def unsubscribed_at(profile: Mapping[str, Any], channel: Channel) -> datetime | None:
    marketing = _marketing(profile, channel)
    at = marketing.get("consent_timestamp") or marketing.get("last_updated")
    return _moment(at) if marketing.get("consent") == "UNSUBSCRIBED" and at else None


def _marketing(profile: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    subscriptions = profile["attributes"].get("subscriptions") or {}
    return (subscriptions.get(channel) or {}).get("marketing") or {}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _no_proof(consented_at: str | None, now: datetime) -> str | None:
    if consented_at is None:
        return "no_consented_at"
    try:
        return "consented_at_in_future" if _moment(consented_at) >= now else None
    except ValueError:
        return "invalid_consented_at"
