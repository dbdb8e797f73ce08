"""Klaviyo, through its JSON:API (the vendor's OpenAPI document, revision 2026-07-15): profiles, lists, consent, events.

The four objects have files of their own, each with the facts that shape it. Common to them: somebody is known by
`email`, `phone_number` (E.164) or `external_id`; a look-up finds 100 a call; every endpoint has a rate of its own
(`client.py`); adding people to a list changes no consent, and only the object `consent` ever subscribes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Found, Mode, OptOut, Outcome, Row, Target
from reverse_etl.destinations.klaviyo import consent, profiles
from reverse_etl.destinations.klaviyo.client import LARGE, MEDIUM, Client
from reverse_etl.destinations.klaviyo.consent import Consent
from reverse_etl.destinations.klaviyo.events import IDENTIFIERS, Events
from reverse_etl.destinations.klaviyo.lists import Lists
from reverse_etl.destinations.klaviyo.profiles import STANDARD, Profiles
from reverse_etl.errors import ConfigurationError, Rejected
from reverse_etl.limits import Limits, Names, Options
from reverse_etl.rendering import for_json

_MODES: dict[str, tuple[Mode, ...]] = {
    "profiles": ("upsert", "update", "create", "mirror"),
    "lists": ("upsert", "create", "mirror"),
    # who leaves the model has withdrawn nothing: only who has no consent is unsubscribed
    "consent": ("upsert",),
    "events": ("create",),
}
_KEYS: dict[str, tuple[str, ...]] = {
    "profiles": IDENTIFIERS,
    # the members of a list cannot be asked for by external_id
    "lists": ("email", "phone_number"),
    "consent": ("email", "phone_number"),
}
_LOOKED_UP = 100


class KlaviyoOptions(Options):
    """`list_id`: the list (objects `lists` and `consent`). `bulk_from`: so many profiles or more go in an import job
    (asked every `poll_seconds`, for `job_seconds` at most), fewer one by one. `clear_fields`: comma separated fields
    that a removal empties; default: the sync's custom properties. `unsubscribe`: from the list, or from everything.
    `metric`: the name of all events, where there is no column `metric`; `backfill`: events start no flows."""

    revision: str = Field(default="2026-07-15", pattern=r"^\d{4}-\d{2}-\d{2}(\.\w+)?$")
    list_id: str | None = Field(default=None, min_length=1)
    bulk_from: int = Field(default=100, gt=0)
    poll_seconds: float = Field(default=2.0, ge=0)
    job_seconds: float = Field(default=600.0, gt=0)
    clear_fields: Names | None = None
    unsubscribe: Literal["list", "everywhere"] = "list"
    custom_source: str | None = None
    metric: str | None = Field(default=None, min_length=1, max_length=127)
    backfill: bool = False
    timeout_seconds: float = Field(default=60.0, gt=0)


class Klaviyo(Destination):
    """One object of one account."""

    options_model = KlaviyoOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    can_merge: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        options: KlaviyoOptions = target.options
        self._options = options
        self._check_fields()
        self._client = Client(target.meter, options.revision, options.timeout_seconds)
        self._object = self._made()

    def _made(self) -> Profiles | Lists | Consent | Events:
        target, options, client = self.target, self._options, self._client
        if target.object == "lists":
            return Lists(client, target.key, options.list_id or "")
        if target.object == "consent":
            channel: consent.Channel = "sms" if target.channel == "sms" else "email"
            everywhere = options.unsubscribe == "everywhere"
            return Consent(client, target.key, channel, options.list_id, everywhere, options.custom_source)
        if target.object == "events":
            return Events(client, target, options.metric, options.backfill)
        cleared = (
            options.clear_fields
            if options.clear_fields is not None
            else tuple(name for name in target.fields if name not in STANDARD and name != target.key)
        )
        return Profiles(client, target, cleared, options.bulk_from, options.poll_seconds, options.job_seconds)

    @classmethod
    def objection(cls, object: str, key: str, mode: Mode, channel: str | None, options: KlaviyoOptions) -> str | None:
        if object not in _MODES:
            return f"klaviyo has no object {object!r}; it has {', '.join(_MODES)}"
        if mode not in _MODES[object]:
            return f"klaviyo's {object} go by mode {' or '.join(_MODES[object])}, not {mode!r}"
        if (keys := _KEYS.get(object)) and key not in keys:
            return f"klaviyo's {object} are known by {' or '.join(keys)}, not by {key!r}"
        if object == "lists" and options.list_id is None:
            return "klaviyo's lists need the option list_id"
        if object == "consent" and channel not in ("email", "sms"):
            return "klaviyo's consent is for a channel: set channel to email or sms"
        if object == "consent" and options.list_id is None and options.unsubscribe != "everywhere":
            return (
                "klaviyo unsubscribes from everything where no list is given; set the option list_id, or unsubscribe "
                "to everywhere if that is meant"
            )
        return None

    def _check_fields(self) -> None:
        target, where = self.target, self.target.sync
        if not target.fields:
            return  # `kinship check` without a sync
        if target.object == "lists" and len(target.fields) > 1:
            raise ConfigurationError(f"{where}: klaviyo's lists take {target.key} alone; begin other columns with _")
        if target.object == "consent" and "consented_at" not in target.fields:
            raise ConfigurationError(
                f"{where}: klaviyo's consent needs the column consented_at (customers.customer_consents.captured_at)"
            )
        if target.object == "events":
            needed = {"time"} | (set() if self._options.metric else {"metric"})
            if missing := sorted(needed - set(target.fields)):
                raise ConfigurationError(f"{where}: klaviyo's events need the column {', '.join(missing)}")
            if not set(IDENTIFIERS) & set(target.fields):
                raise ConfigurationError(f"{where}: klaviyo's events need a column {', '.join(IDENTIFIERS)}")

    @classmethod
    def ignores_case(cls, key: str) -> bool:
        return key == "email"

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        if object == "lists":
            return Limits(rows=1_000, rates=MEDIUM)
        if object == "consent":
            return Limits(rows=1_000, removal_rows=100, rates=LARGE)
        if object == "events":
            return Limits(rows=1_000, batch_bytes=5_000_000, row_bytes=100_000, rates=MEDIUM)
        # a job's envelope around each profile is not counted here: `parts` cuts by what is sent
        return Limits(
            rows=10_000, removal_rows=1_000, batch_bytes=5_000_000, row_bytes=99_000, rates=LARGE, concurrency=2
        )

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_json(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        batches = super().estimate_calls(object, options, limits, adds, changes, 0)
        if object == "events":
            return batches
        lookups = -(-adds // _LOOKED_UP)
        if object == "lists":
            # members, profiles, the change
            return 2 * lookups + batches - (-removals // limits.rows)
        if object == "consent":
            asked = lookups - (-(adds + changes) // _LOOKED_UP)
            return asked + batches - 2 * (-removals // _LOOKED_UP)
        bulk_from = options.bulk_from if isinstance(options, KlaviyoOptions) else 1
        sent = sum(
            # the job, two looks at it, its errors
            n if n < bulk_from else 4 * -(-n // limits.rows)
            for n in (adds, changes)
        )
        return lookups + sent + removals

    async def check(self) -> CheckResult:
        if self._options.list_id is not None:
            response = await self._client.call("GET", f"/lists/{quote(self._options.list_id)}", expect=(404,))
            if response.status_code == 404:
                raise ConfigurationError("klaviyo has no list with the list_id of the sync's options")
            return CheckResult("klaviyo", "ok", "reached the list", {"revision": self._options.revision})
        await self._client.call("GET", "/profiles", params={"page[size]": 1, "fields[profile]": "created"})
        return CheckResult("klaviyo", "ok", "reached the account", {"revision": self._options.revision})

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        # an event is never looked for: its unique_id makes it safe to send again
        return {} if isinstance(self._object, Events) else await self._object.lookup(keys)

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._object.send(batch)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        if isinstance(self._object, Events):
            for row in batch.rows:
                yield Outcome(row.key, "accepted")  # what happened cannot be taken back
            return
        async for outcome in self._object.remove(batch):
            yield outcome

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        if isinstance(self._object, Events):
            raise Rejected("erase_with_profiles")  # the key of an event is nobody's
        async for outcome in profiles.erase(self._client, self.target.key, batch.rows):
            yield outcome

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        if not isinstance(self._object, Events):
            async for found in self._object.read(rows):
                yield found

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        key = self.target.key
        if key not in IDENTIFIERS:
            return  # the key of an event says nothing of a person
        after = since or datetime(2012, 1, 1)  # Klaviyo is not older
        if self.target.channel == "sms":
            # nothing filters by it: look through whoever changed
            async for profile in self._suppressed("updated", "greater-than", after):
                at = consent.unsubscribed_at(profile, "sms")
                if at is not None and profile["attributes"].get(key) and _naive(at) >= after:
                    yield OptOut(profile["attributes"][key], "sms", _naive(at))
            return
        fields = ["suppression"] + (["list_suppressions"] if self._options.list_id else [])
        told: set[str] = set()
        for field in fields:
            path = f"subscriptions.email.marketing.{field}.timestamp"
            async for profile in self._suppressed(path, "greater-or-equal", after):
                moments = [
                    _naive(at) for at in consent.suppressions(profile, self._options.list_id) if _naive(at) >= after
                ]
                if moments and profile["attributes"].get(key) and profile["id"] not in told:
                    told.add(profile["id"])
                    yield OptOut(profile["attributes"][key], "email", min(moments))

    async def _suppressed(self, field: str, operator: str, after: datetime) -> AsyncIterator[dict[str, Any]]:
        params = {
            "filter": f"{operator}({field},{after.isoformat(timespec='seconds')}Z)",
            "sort": field,
            "additional-fields[profile]": "subscriptions",
        }
        async for profile in self._client.pages("/profiles", params):
            yield profile

    async def close(self) -> None:
        await self._client.close()


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
