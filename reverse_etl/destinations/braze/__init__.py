"""Braze, through its REST API: attributes of users, events, memberships of a subscription group.

What shapes this file (the vendor's docs, braze-inc/braze-docs, unless said otherwise):

* `/users/track` is an upsert by `external_id` and takes 75 objects in all (50 on plans by monthly active users: option
  `batch_size`), 4 MB. What it says yes to is queued. See `track.py`.
* Every attribute that is sent counts as a data point, changed or not. To send only those that changed one would have to
  keep a copy of the person; the ledger keeps a hash. A row that changed is sent whole: keep a model narrow, and put
  what changes daily into a sync of its own.
* There is no idempotency key. Attributes are idempotent; an event whose answer was lost is sent again, and is then
  there twice. Its key goes along as a property, to tell.
* Whether a user is there can only be asked through the export: 50 users a call, 250 calls a minute (2,500 for
  workspaces from before August 2024). It is asked where it decides something: mode `update`, option `delete_created`,
  and whether somebody has unsubscribed.
* `email_subscribe` and `subscription_groups` are attributes too, and would subscribe. They are refused here.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from reverse_etl.destination import (
    Batch,
    CheckResult,
    Destination,
    Found,
    Mode,
    Operation,
    OptOut,
    Outcome,
    Row,
    Target,
)
from reverse_etl.destinations.braze.client import IDS, Client
from reverse_etl.destinations.braze.subscriptions import Subscriptions
from reverse_etl.destinations.braze.track import track
from reverse_etl.errors import ConfigurationError, Rejected
from reverse_etl.http import body
from reverse_etl.limits import Limits, Names, Options, Rate
from reverse_etl.rendering import for_json

_MODES: dict[str, tuple[Mode, ...]] = {
    "users": ("upsert", "update", "mirror"),
    "events": ("create",),
    "subscription_groups": ("upsert",),
}
_STANDARD = frozenset(
    {
        *("country", "current_location", "date_of_first_session", "date_of_last_session", "dob", "email", "first_name"),
        *("gender", "home_city", "image_url", "language", "last_name", "phone", "time_zone"),
    }
)
"""Fields that every user has: they are not ours to empty, and an export has them outside `custom_attributes`."""
_SUBSCRIBING = frozenset({"email_subscribe", "push_subscribe", "subscription_groups"})
_PAGE = 500


class BrazeOptions(Options):
    """`delete_created`: a removal deletes users that this sync made (for good, with all that the apps know of them), at
    the price of an export for each batch of additions. `clear_fields`: comma separated attributes that a removal
    empties; default: the sync's custom attributes. `event`: the name of all events, where there is no column `name`.
    `first_opt_out_days`: how far the first look at unsubscribes goes back; each of them costs an export."""

    subscription_group_id: str | None = Field(default=None, min_length=1)
    delete_created: bool = False
    clear_fields: Names | None = None
    event: str | None = Field(default=None, min_length=1, max_length=255)
    app_id: str | None = None
    first_opt_out_days: int = Field(default=30, ge=0)
    exports_per_minute: int = Field(default=250, gt=0)
    timeout_seconds: float = Field(default=60.0, gt=0)


class Braze(Destination):
    """Users (`users`), what they did (`events`), or who is in a subscription group (`subscription_groups`)."""

    options_model = BrazeOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "update", "mirror", "create"})
    cost = "data_points"
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    can_merge: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        options: BrazeOptions = target.options
        self._options = options
        self._check_fields()
        self._client = Client(target.meter, options.timeout_seconds, options.exports_per_minute)
        group = options.subscription_group_id or ""
        self._group = Subscriptions(self._client, group) if target.object == "subscription_groups" else None

    @classmethod
    def objection(cls, object: str, key: str, mode: Mode, channel: str | None, options: BrazeOptions) -> str | None:
        if object not in _MODES:
            return f"braze has no object {object!r}; it has {', '.join(_MODES)}"
        if mode not in _MODES[object]:
            return f"braze's {object} go by mode {' or '.join(_MODES[object])}, not {mode!r}"
        if object != "events" and key != "external_id":
            return f"braze's {object} are known by external_id, not {key!r}"
        if object == "subscription_groups" and options.subscription_group_id is None:
            return "braze needs the option subscription_group_id"
        return None

    def _check_fields(self) -> None:
        target, where = self.target, self.target.sync
        if foreign := sorted(_SUBSCRIBING & set(target.fields)):
            raise ConfigurationError(
                f"{where}: the column {foreign[0]!r} would subscribe people; use the object subscription_groups"
            )
        if target.object == "events" and target.fields:
            needed = {"external_id", "time"} | (set() if self._options.event else {"name"})
            if missing := sorted(needed - set(target.fields)):
                raise ConfigurationError(f"{where}: braze's events need the column {', '.join(missing)}")
        if target.object == "subscription_groups" and len(target.fields) > 1:
            raise ConfigurationError(
                f"{where}: braze's subscription_groups take external_id alone; begin other columns with _"
            )

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        if object == "subscription_groups":
            return Limits(rows=IDS, rates=(Rate(5_000, 60),), concurrency=4)
        return Limits(
            rows=75,
            removal_rows=IDS,
            batch_bytes=3_900_000,  # 4 MB with the envelope
            row_bytes=100_000,
            rates=(Rate(3_000, 3),),
            concurrency=8,
        )

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_json(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        if object == "events":
            return -(-adds // limits.rows)
        calls = super().estimate_calls(object, options, limits, adds, changes, removals)
        if object == "subscription_groups":
            return 3 * calls  # the group, the person, the change
        return calls - (-adds // IDS) if isinstance(options, BrazeOptions) and options.delete_created else calls

    async def check(self) -> CheckResult:
        if self._group is not None:
            await self._group.check(self.target.sync)
            return CheckResult("braze", "ok", "reached the subscription group")
        # nothing to track: 400 tells that the key may track, and writes nothing
        response = await self._client.call("POST", "/users/track", json={}, expect=(400,))
        return CheckResult("braze", "ok", "reached the workspace", {"status": str(response.status_code)})

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._group is not None:
            outcomes = self._group.send(batch.rows)
        elif self.target.object == "events":
            events = ((row, self._event(values)) for row, values in batch.records())
            outcomes = track(self._client, "events", list(events))
        else:
            outcomes = self._users(batch)
        async for outcome in outcomes:
            yield outcome

    async def _users(self, batch: Batch) -> AsyncIterator[Outcome]:
        await self._rename([row for row in batch.rows if row.moved_from is not None])
        updates = self.target.mode == "update"
        asked = [row.key for row in batch.rows if updates or row.operation is Operation.ADD]
        there = await self._client.users(asked, ()) if asked and (updates or self._options.delete_created) else {}
        records = []
        for row, values in batch.records():
            if updates and row.key not in there:
                yield Outcome(row.key, "rejected", error_class="not_found")
                continue
            if row.operation is Operation.ADD:
                row.created_by_us = self._options.delete_created and row.key not in there
            row.destination_id = row.key
            records.append((row, self._attributes(row, values)))
        async for outcome in track(self._client, "attributes", records):
            yield outcome

    async def _rename(self, rows: Sequence[Row]) -> None:
        """Records whose key changed keep their history; where the new id is taken there are two records of one person,
        and the old one has to go."""
        for start in range(0, len(rows), IDS):
            part = rows[start : start + IDS]
            renames = [{"current_external_id": row.moved_from, "new_external_id": row.key} for row in part]
            content = {"external_id_renames": renames}
            answer = body(await self._client.call("POST", "/users/external_ids/rename", json=content))
            done = {str(name) for name in answer.get("external_ids") or ()}
            left = [row for row in part if row.key not in done]
            # refused: the new id is taken by another user, or an earlier call whose answer was lost did it
            there = await self._client.users([row.moved_from or "" for row in left], ()) if left else {}
            for row in left:
                if row.moved_from in there:
                    row.supersedes, row.moved_from, row.created_by_us = row.moved_from, None, False

    def _attributes(self, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes of a row; null clears, a field left out stays."""
        kept = self.target.on_null == "clear"
        sent = {name: value for name, value in values.items() if kept or value is not None}
        if self.target.mode == "update":
            sent["_update_existing_only"] = True
        return sent

    def _event(self, values: Mapping[str, Any]) -> dict[str, Any]:
        own = ("external_id", "name", "time", "app_id")
        event = {name: values[name] for name in own if values.get(name) is not None}
        if self._options.event:
            event["name"] = self._options.event
        if self._options.app_id:
            event["app_id"] = self._options.app_id
        return {**event, "properties": {name: v for name, v in values.items() if name not in own and v is not None}}

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self.target.object == "events":
            for row in batch.rows:
                yield Outcome(row.key, "accepted")  # what happened cannot be taken back
            return
        if self._group is not None:
            async for outcome in self._group.remove(batch.rows):
                yield outcome
            return
        merges = [row for row in batch.rows if row.merge_into is not None]
        deletes = [row for row in batch.rows if row.merge_into is None and row.created_by_us]
        clears = [row for row in batch.rows if row.merge_into is None and not row.created_by_us]
        if merges:
            await self._merge(merges)
        if deletes:
            await self._delete(deletes)
        for row in (*merges, *deletes):
            yield Outcome(row.key, "accepted")
        emptied = dict.fromkeys(self._cleared())
        if not emptied:
            for row in clears:
                yield Outcome(row.key, "accepted")
        elif clears:
            # who is not there any more must not be made again
            records = [(row, {"external_id": row.key, "_update_existing_only": True, **emptied}) for row in clears]
            async for outcome in track(self._client, "attributes", records):
                yield outcome

    async def _merge(self, rows: Iterable[Row]) -> None:
        updates = [
            {"identifier_to_merge": {"external_id": row.key}, "identifier_to_keep": {"external_id": row.merge_into}}
            for row in rows
        ]
        await self._client.call("POST", "/users/merge", json={"merge_updates": updates})

    async def _delete(self, rows: Iterable[Row]) -> None:
        await self._client.call("POST", "/users/delete", json={"external_ids": [row.key for row in rows]})

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        rows = batch.rows
        if self.target.object == "events":
            raise Rejected("erase_with_users")  # the key of an event is nobody's
        for start in range(0, len(rows), IDS):
            part = rows[start : start + IDS]
            await self._delete(part)
            for row in part:
                yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        if self._group is not None:
            for name, status in (await self._group.statuses([row.key for row in rows])).items():
                if status == "subscribed":
                    yield Found(name, name, {})
            return
        if self.target.object == "events":
            return
        standard = [name for name in self.target.fields if name in _STANDARD]
        users = await self._client.users([row.key for row in rows], ["custom_attributes", *standard])
        for name, user in users.items():
            held = {**user.get("custom_attributes", {}), **{field: user.get(field) for field in standard}}
            yield Found(name, name, {field: held[field] for field in self.target.fields if field in held})

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        if self.target.object == "events":
            return  # the key of an event says nothing of a person
        now = datetime.now(UTC).replace(tzinfo=None)
        after = since or now - timedelta(days=self._options.first_opt_out_days)
        # whole days in UTC, the last one not included
        parameters = {"start_date": f"{after:%Y-%m-%d}", "end_date": f"{now + timedelta(days=1):%Y-%m-%d}"}
        offset = 0
        while True:
            page = {**parameters, "limit": _PAGE, "offset": offset, "sort_direction": "asc"}
            entries = body(await self._client.call("GET", "/email/unsubscribes", params=page))["emails"]
            for entry in entries:
                at = datetime.strptime(entry["unsubscribed_at"], "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
                if at.replace(tzinfo=None) >= after:
                    for name in await self._client.users_with(entry["email"]):
                        yield OptOut(name, "email", at.replace(tzinfo=None))
            if len(entries) < _PAGE:
                return
            offset += _PAGE

    async def close(self) -> None:
        await self._client.close()

    def _cleared(self) -> tuple[str, ...]:
        if self._options.clear_fields is not None:
            return self._options.clear_fields
        return tuple(name for name in self.target.fields if name not in _STANDARD and name != self.target.key)
