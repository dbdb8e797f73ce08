"""Salesforce: any object (Contact, Lead, Account ...), by an external id field or another that `idLookup` finds.

What shapes this file, beside what `client` and `bulk` say:

* Below 2,000 rows Salesforce advises composite calls of 200, above it a Bulk API 2.0 job ("Bulk API and Bulk API 2.0
  Limits and Allocations"). Both answer row by row; both accept some rows and refuse others.
* An upsert makes a record when the key is unknown, so a call whose answer was lost can be repeated. Deleting needs the
  record's Id, which the ledger keeps.
* Two calls that touch records of one parent lock each other out (UNABLE_TO_LOCK_ROW): one batch at a time, and rows
  that were locked again after the others.
* A text "#N/A" in a CSV file empties the field: such a row goes by a composite call.
* Merging is not part of these APIs (SOAP and Apex have it): `can_merge` is false.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from reverse_etl.destination import Batch, CheckResult, Destination, Found, OptOut, Outcome, Row, Target
from reverse_etl.destinations.salesforce.bulk import EMPTY, MAX_BYTES, Jobs, Patience, cell
from reverse_etl.destinations.salesforce.client import (
    COLLECTION,
    KEYS,
    Client,
    Credentials,
    Written,
    by_size,
    json_bytes,
    key_queries,
)
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import ConfigurationError, Rejected
from reverse_etl.limits import Limits, Names, Options
from reverse_etl.rendering import for_json

_JOB_ROWS = 100_000
"""Rows of a batch, and so at most of a job: ten of Salesforce's own batches of 10,000."""
_JOB_ROWS_PER_SECOND = 500
"""For the number of looks at a job in a plan; an assumption, it depends on the org's triggers."""
_NUMBERS = frozenset({"double", "int", "currency", "percent", "long"})
_GONE = frozenset({"entity_is_deleted", "invalid_cross_reference_key", "not_found"})
_LOCKED = "unable_to_lock_row"
_LOCK_WAITS = 3
_OPTED_OUT = "HasOptedOutOfEmail"
_OWN_WORD = frozenset({"HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall"})
"""What a person said there: a sync that wrote it could take an opt-out back."""

# "API Request Limits and Allocations": calls in 24 hours, without those that come with each licence
_EDITIONS = {"developer": 15_000, "enterprise": 100_000, "unlimited": 100_000}

_Record = tuple[Row, dict[str, Any]]


class SalesforceOptions(Options):
    """`edition` sets the daily calls (`requests_per_day` if more were bought). From `bulk_from` rows on, a job is used.
    `clear_fields`: comma separated fields that a removal empties on records that we did not create; default: the
    sync's custom fields. `hard_delete`: an erasure skips the recycle bin, which needs the permission Bulk API Hard
    Delete."""

    edition: Literal["developer", "enterprise", "unlimited"] = "enterprise"
    bulk_from: int = Field(default=2_000, ge=1)
    clear_fields: Names | None = None
    hard_delete: bool = True
    poll_seconds: float = Field(default=2.0, gt=0)
    job_seconds: float = Field(default=7_200.0, gt=0)
    settle_seconds: float = Field(default=5.0, ge=0)
    timeout_seconds: float = Field(default=120.0, gt=0)


class Salesforce(Destination):
    """One object of one org."""

    options_model = SalesforceOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, client_id, client_secret = credentials(
            "salesforce", "KINSHIP_SALESFORCE_URL", "KINSHIP_SALESFORCE_CLIENT_ID", "KINSHIP_SALESFORCE_CLIENT_SECRET"
        )
        refresh = setting("KINSHIP_SALESFORCE_REFRESH_TOKEN", "")
        self._options: SalesforceOptions = target.options
        self.settle_seconds = self._options.settle_seconds
        login = Credentials(url, client_id, SecretStr(client_secret), SecretStr(refresh) if refresh else None)
        self._client = Client(login, target.meter, self._options.timeout_seconds)
        first = self._options.poll_seconds
        patience = Patience(first, max(first, 30.0), self._options.job_seconds)
        self._jobs = Jobs(self._client, target.object, target.state / "jobs" / f"{target.sync}.json", patience)
        self._fields: dict[str, dict[str, Any]] = {}

    @classmethod
    def limits(cls, object: str, options: Any) -> Limits:
        return Limits(
            rows=_JOB_ROWS,
            batch_bytes=MAX_BYTES,
            row_bytes=400_000,
            concurrency=1,
            calls_per_day=_EDITIONS[options.edition],
        )

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        if kind.startswith("TIMESTAMP"):
            utc = f"({column} at time zone 'UTC')" if kind == "TIMESTAMP WITH TIME ZONE" else f"{column}::timestamp"
            return f"strftime({utc}, '%Y-%m-%dT%H:%M:%S.%gZ')"
        if kind.endswith("[]"):
            # a multi-select picklist
            return f"array_to_string({column}, ';')"
        return for_json(column, kind)

    @classmethod
    def estimate_calls(cls, object: str, options: Any, limits: Limits, adds: int, changes: int, removals: int) -> int:
        def writes(rows: int) -> int:
            full, rest = divmod(rows, limits.rows)
            return full * _write_calls(limits.rows, options) + _write_calls(rest, options)

        full, rest = divmod(adds, limits.rows)
        lookups = full * -(-limits.rows // KEYS) + -(-rest // KEYS)
        # log in, describe, who opted out
        return 3 + lookups + writes(adds) + writes(changes) + writes(removals)

    async def check(self) -> CheckResult:
        daily = (await self._client.limits()).get("DailyApiRequests") or {}
        details = {"calls_left_today": str(daily.get("Remaining", "")), "calls_per_day": str(daily.get("Max", ""))}
        if self.target.object:
            await self.prepare()
        return CheckResult("salesforce", "ok", f"logged in; {details['calls_left_today']} calls left today", details)

    async def prepare(self) -> None:
        sync, object, key = self.target.sync, self.target.object, self.target.key
        try:
            self._fields = await self._client.fields(object)
        except Rejected as refused:
            raise ConfigurationError(
                f"{sync}: Salesforce does not describe the object {object!r} ({refused.error_class}): is it its API "
                "name, and may the user see it?"
            ) from None
        for name in (*self.target.fields, *self._cleared()):
            field = self._fields.get(name)
            if name in _OWN_WORD:
                raise ConfigurationError(f"{sync}: {name} is what people decided in Salesforce; it is not written here")
            if field is None or not (field["createable"] or field["updateable"]):
                state = "is not a field of" if field is None else "is read-only in"
                raise ConfigurationError(f"{sync}: {name!r} {state} Salesforce's {object} for this user")
        field = self._fields.get(key)
        if field is None or not (field["externalId"] or field["idLookup"]):
            raise ConfigurationError(
                f"{sync}: records cannot be found by {key}: mark the field as External ID (and Unique) in Salesforce"
            )
        if field["caseSensitive"]:
            raise ConfigurationError(
                f"{sync}: {key} tells upper from lower case and keys here do not: make the field unique without case"
            )
        given = set(self.target.fields)
        missing = [
            name
            for name, each in self._fields.items()
            if each["createable"] and not each["nillable"] and not each["defaultedOnCreate"] and name not in given
        ]
        if missing and self.target.mode != "update" and given:
            raise ConfigurationError(
                f"{sync}: Salesforce's {object} must have {', '.join(sorted(missing))}; select it in the sync model"
            )

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        await self._jobs.settle()
        found: dict[str, list[str]] = {}
        for soql in key_queries(self.target.object, self.target.key, keys, is_number=self._has_numeric_key()):
            for record in await self._client.query(soql):
                found.setdefault(self._key_of(record), []).append(record["Id"])
        return found

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        await self._jobs.settle()
        known: list[_Record] = []
        fresh: list[_Record] = []
        for row, values in batch.records():
            (known if row.destination_id else fresh).append((row, self._values(row, values)))
        for row, _ in known:
            # only the key is synced, and it is there
            if not _:
                yield Outcome(row.key, "accepted")
        async for outcome in self._write("update", [record for record in known if record[1]]):
            yield outcome
        async for outcome in self._write("upsert", fresh):
            yield outcome

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        await self._jobs.settle()
        cleared = self._cleared()
        empty = {name: False if self._fields[name]["type"] == "boolean" else None for name in cleared}
        ours = [row for row in batch.rows if row.created_by_us]
        theirs = [row for row in batch.rows if not row.created_by_us]
        async for outcome in self._write("delete", [(row, {}) for row in ours]):
            yield outcome
        if cleared:
            async for outcome in self._write("update", [(row, dict(empty)) for row in theirs]):
                yield outcome
        else:
            for row in theirs:
                yield Outcome(row.key, "accepted")

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        found = await self.lookup([row.key for row in batch.rows])
        left: dict[str, int] = {}
        there: list[_Record] = []
        for row in batch.rows:
            # every record with the key, and the one that went on under another
            ids = {*found.get(row.key, ()), *([row.destination_id] if row.destination_id else [])}
            left[row.key] = len(ids)
            there += [(replace(row, destination_id=record), {}) for record in sorted(ids)]
            if not ids:
                yield Outcome(row.key, "accepted")
        if not there:
            return
        try:
            async for outcome in self._write("hardDelete" if self._options.hard_delete else "delete", there):
                if outcome.status == "rejected":
                    left.pop(outcome.key, None)
                    yield outcome
                elif outcome.key in left:
                    left[outcome.key] -= 1
                    if left[outcome.key] == 0:
                        yield Outcome(outcome.key, "accepted")
        except Rejected:
            if not self._options.hard_delete:
                raise
            # the job was refused before it began: the user lacks the permission
            for key in sorted({row.key for row, _ in there}):
                yield Outcome(key, "rejected", error_class="hard_delete_not_allowed")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        self._fields = self._fields or await self._client.fields(self.target.object)
        missing = [row.key for row in rows if not row.destination_id]
        found = await self.lookup(missing) if missing else {}
        by_id = {row.destination_id or next(iter(found.get(row.key, ())), ""): row for row in rows}
        by_id.pop("", None)
        fields = sorted({"Id", *self.target.fields})
        for record in await self._client.retrieve(self.target.object, list(by_id), fields):
            row = by_id.get(record["Id"])
            if row is not None:
                values = {name: self._as_rendered(name, record.get(name)) for name in self.target.fields}
                yield Found(row.key, record["Id"], values)

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        """Contacts, leads and person accounts that opted out of e-mail; the time is that of the record's last change,
        Salesforce keeps no other."""
        object, key = self.target.object, self.target.key
        self._fields = self._fields or await self._client.fields(object)
        if _OPTED_OUT not in self._fields:
            return
        changed = f" AND LastModifiedDate >= {since.isoformat(timespec='milliseconds')}Z" if since else ""
        soql = f"SELECT {key}, LastModifiedDate FROM {object} WHERE {_OPTED_OUT} = true AND {key} != null{changed}"  # noqa: S608
        for record in await self._client.query(soql):
            at = _when(record["LastModifiedDate"]).replace(tzinfo=None)
            yield OptOut(self._key_of(record), "email", at)

    async def close(self) -> None:
        await self._client.close()

    async def _write(self, operation: str, records: list[_Record]) -> AsyncIterator[Outcome]:
        """One operation on its records, by jobs or by composite calls; locked rows again at the end."""
        locked: list[_Record] = []
        by_calls = records
        if operation == "hardDelete" or len(records) >= self._options.bulk_from:
            by_calls = [record for record in records if EMPTY in record[1].values()]
            by_job = [record for record in records if EMPTY not in record[1].values()]
            for part in self._jobfuls(operation, by_job):
                # what the job did not come to is left for composite calls, and so is what it found locked
                rest = {id(record): record for record, _ in part}
                async for record, written in self._by_job(operation, part):
                    if written.error != _LOCKED or operation == "hardDelete":
                        del rest[id(record)]
                        yield self._outcome(*record, written)
                if operation != "hardDelete":
                    by_calls += rest.values()
        for attempt in range(_LOCK_WAITS + 1):
            if attempt:
                await asyncio.sleep(self._options.poll_seconds * 2 ** (attempt - 1))
            async for record, written in self._by_calls(operation, by_calls):
                if written.error == _LOCKED and attempt < _LOCK_WAITS:
                    locked.append(record)
                else:
                    yield self._outcome(*record, written)
            if not locked:
                return
            by_calls, locked = locked, []

    async def _by_calls(self, operation: str, records: Sequence[_Record]) -> AsyncIterator[tuple[_Record, Written]]:
        sizes = {position: json_bytes(values) for position, (_, values) in enumerate(records)}
        for positions in by_size(records, sizes):
            part = [records[position] for position in positions]
            if operation == "delete":
                written = await self._client.delete([row.destination_id or "" for row, _ in part])
            elif operation == "update":
                changes = [{"id": row.destination_id, **values} for row, values in part]
                written = await self._client.update(self.target.object, changes)
            else:
                written = await self._client.upsert(self.target.object, self.target.key, [values for _, values in part])
            for record, result in zip(part, written, strict=True):
                yield record, result

    def _jobfuls(self, operation: str, records: Sequence[_Record]) -> Iterator[list[tuple[_Record, dict[str, str]]]]:
        """The records with their cells, in as many parts as the bytes of an upload ask for."""
        part: list[tuple[_Record, dict[str, str]]] = []
        size = 0
        for record in records:
            cells = self._cells(operation, *record)
            # quotes may double, and a comma goes before each cell
            length = sum(2 * len(text.encode()) + 3 for text in cells.values())
            if part and size + length > MAX_BYTES:
                yield part
                part, size = [], 0
            part.append((record, cells))
            size += length
        if part:
            yield part

    async def _by_job(
        self, operation: str, part: Sequence[tuple[_Record, dict[str, str]]]
    ) -> AsyncIterator[tuple[_Record, Written]]:
        column = self.target.key if operation == "upsert" else "Id"
        results = await self._jobs.run(operation, column, [cells for _, cells in part])
        for record, cells in part:
            if (written := results.rows.get(cells[column])) is not None:
                yield record, written

    def _cells(self, operation: str, row: Row, values: Mapping[str, Any]) -> dict[str, str]:
        if operation in ("delete", "hardDelete"):
            return {"Id": row.destination_id or ""}
        named = {"Id": row.destination_id or ""} if operation == "update" else {}
        return named | {name: EMPTY if value is None else cell(value) for name, value in values.items()}

    def _outcome(self, row: Row, values: Mapping[str, Any], written: Written) -> Outcome:
        if written.error is None:
            if row.destination_id is None and row.created_by_us and not written.is_created:
                # somebody else made it since we looked
                row.created_by_us = False
            return Outcome(row.key, "accepted", destination_id=written.id)
        if written.error in _GONE and row.destination_id is not None and not written.fields:
            return Outcome(row.key, "gone", error_class=written.error)
        error = "ambiguous_match" if written.error == "duplicate_external_id" else written.error
        return Outcome(row.key, "rejected", error_class=error)

    def _values(self, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent of a row: None empties a field, and what is not there stays."""
        key = self.target.key
        sent: dict[str, Any] = {}
        for name, value in values.items():
            is_new = row.destination_id is None
            if name == key:
                # the key matched already; sending it again would undo a correction that somebody made over there
                if is_new or row.moved_from is not None:
                    sent[name] = value.strip() if isinstance(value, str) else value
            elif value is not None and value != "":
                sent[name] = value
            elif not is_new and (value == "" or self.target.on_null == "clear"):
                sent[name] = None
        return sent

    def _cleared(self) -> tuple[str, ...]:
        if self._options.clear_fields is not None:
            return self._options.clear_fields
        key = self.target.key
        return tuple(name for name in self.target.fields if name != key and self._fields.get(name, {}).get("custom"))

    def _has_numeric_key(self) -> bool:
        return self._fields.get(self.target.key, {}).get("type") in _NUMBERS

    def _key_of(self, record: Mapping[str, Any]) -> str:
        value = record[self.target.key]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value).strip().lower()

    def _as_rendered(self, name: str, value: Any) -> Any:
        if value is not None and self._fields.get(name, {}).get("type") == "datetime":
            return _when(value).strftime("%Y-%m-%dT%H:%M:%S.") + f"{_when(value).microsecond // 1000:03d}Z"
        return value


def _write_calls(rows: int, options: SalesforceOptions) -> int:
    """Calls that write so many rows of one batch and one operation."""
    if rows < options.bulk_from:
        return -(-rows // COLLECTION)
    spent, polls = 0.0, 0
    for wait in Patience(options.poll_seconds, max(options.poll_seconds, 30.0), options.job_seconds).waits():
        spent, polls = spent + wait, polls + 1
        if spent >= rows / _JOB_ROWS_PER_SECOND:
            break
    # create, upload, start; three files of results
    return polls + 6


def _when(value: str) -> datetime:
    """Salesforce writes UTC as +0000."""
    return datetime.fromisoformat(value).astimezone(UTC)
