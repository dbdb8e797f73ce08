"""HubSpot: contacts, companies (any CRM object with a unique property), and memberships of static lists.

What shapes this file, beside the paths and shapes of `client`:

* A batch call takes 100 inputs. It answers 200, or 207 with some `results` and some `errors`, or 4xx when one input
  spoils all of them; `objectWriteTraceId` says which input a result or an error belongs to ("Error handling" in
  HubSpot's API reference). An id twice in a batch spoils it.
* Records are found by `email` or by a property with `hasUniqueValue`; a company's `domain` is not unique.
* Merged records live on under a new id, which both old ids lead to (developer changelog, "Updated merge functionality
  for contacts and companies"). An id that leads elsewhere is no record of ours to delete.
* Every value is text, and "" empties a property (CRM Contacts, batch update).
* Unsubscribing is no property that can be written here: nobody is subscribed or unsubscribed by this file.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from reverse_etl.destination import Batch, CheckResult, Destination, Found, OptOut, Outcome, Row, Target
from reverse_etl.destinations.hubspot.client import BATCH, BatchAnswer, Client, parts
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, Rejected
from reverse_etl.limits import Limits, Names, Options, Rate
from reverse_etl.rendering import for_text

LISTS = "lists"
_CONTACT = "0-1"
"""The object type of contacts, as lists name it."""
_MEMBERS = 1_000
"""Members in a call; HubSpot takes more, but an answer that is lost is asked for again whole."""
_PAGE = 200
"""Records on a page of a search, the most that CRM search gives."""
_OPTED_OUT = "hs_email_optout"
_OTHER_EMAILS = "hs_additional_emails"

# Usage guidelines, limits of privately distributed apps: calls in 10 s (each app) and a day (all of them together)
_TIERS = {
    "free": (100, 250_000),
    "starter": (100, 250_000),
    "professional": (190, 500_000),
    "enterprise": (190, 1_000_000),
}


class HubspotOptions(Options):
    """`tier` of the account sets the pace. `list_id` is needed for the object `lists`. `clear_fields`: comma separated
    properties that a removal empties on records that we did not create; default: the sync's custom properties."""

    tier: Literal["free", "starter", "professional", "enterprise"] = "free"
    list_id: str | int | None = None
    clear_fields: Names | None = None
    settle_seconds: float = Field(default=5.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)


class Hubspot(Destination):
    """One CRM object, or one list of contacts."""

    options_model = HubspotOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    can_merge: ClassVar[bool] = True
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        (token,) = credentials("hubspot", "KINSHIP_HUBSPOT_ACCESS_TOKEN")
        self._options: HubspotOptions = target.options
        self.settle_seconds = self._options.settle_seconds
        self._is_list = target.object == LISTS
        self._object = "contacts" if self._is_list else target.object
        self._list_id = str(self._options.list_id or "")
        url = setting("KINSHIP_HUBSPOT_URL", "https://api.hubapi.com")
        self._client = Client(url, SecretStr(token), target.meter, self._options.timeout_seconds)
        self._ours: set[str] = set()
        """Records that this run merged from records of ours."""
        self._known: dict[str, dict[str, Any]] = {}
        """The object's properties."""
        self._cleared: tuple[str, ...] = ()

    @classmethod
    def limits(cls, object: str, options: Any) -> Limits:
        calls, per_day = _TIERS[options.tier]
        rows = _MEMBERS if object == LISTS else BATCH
        return Limits(rows=rows, concurrency=4, rates=(Rate(calls, 10.0),), calls_per_day=per_day)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        # as HubSpot gives values back: milliseconds, and numbers without zeros at the end
        if kind.startswith("TIMESTAMP"):
            utc = f"({column} at time zone 'UTC')" if kind == "TIMESTAMP WITH TIME ZONE" else f"{column}::timestamp"
            return f"strftime({utc}, '%Y-%m-%dT%H:%M:%S.%gZ')"
        if kind in ("FLOAT", "DOUBLE"):
            whole = f"abs({column}) < 1e15 and {column} = trunc({column})"
            return (
                f"case when {whole} then {column}::bigint::varchar when isfinite({column}) then {column}::varchar end"
            )
        if kind.startswith("DECIMAL") and not kind.endswith((",0)", "[]")):
            return f"rtrim(rtrim({column}::varchar, '0'), '.')"
        return for_text(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        def batches(rows: int) -> int:
            return -(-rows // limits.rows)

        if object == LISTS:
            # the list, its contacts' properties, who opted out; an id for each address, 100 at a time; the memberships
            lookups = (adds // limits.rows) * -(-limits.rows // BATCH) + -(-(adds % limits.rows) // BATCH)
            return 3 + lookups + batches(adds) + batches(changes) + batches(removals)
        # the properties, who opted out; look up and upsert; update; read and archive
        return 1 + (object == "contacts") + 2 * batches(adds) + batches(changes) + 2 * batches(removals)

    async def check(self) -> CheckResult:
        account = await self._client.account()
        details = {"portal": str(account.get("portalId", "")), "account_type": str(account.get("accountType", ""))}
        if self.target.object:
            await self.prepare()
        return CheckResult("hubspot", "ok", f"connected to portal {details['portal']}", details)

    async def prepare(self) -> None:
        sync, key = self.target.sync, self.target.key
        if self._is_list:
            await self._prepare_list()
        try:
            known = self._known = await self._client.properties(self._object)
        except Rejected as refused:
            raise ConfigurationError(
                f"{sync}: HubSpot does not know the object {self.target.object!r} ({refused.error_class}); "
                "use contacts, companies, lists, or another object's name or type id"
            ) from None
        if self._options.clear_fields is not None:
            self._cleared = self._options.clear_fields
        else:
            self._cleared = tuple(
                name for name in self.target.fields if name in known and not known[name].get("hubspotDefined")
            )
        writable = sorted(name for name, entry in known.items() if not _is_read_only(entry))
        for name in (*self.target.fields, *self._cleared):
            if name not in writable:
                state = "is read-only in" if name in known else "is not a property of"
                raise ConfigurationError(
                    f"{sync}: {name!r} {state} HubSpot's {self._object}: create it there (Settings, Properties), or "
                    "rename the column to a property's internal name"
                )
        self._cleared = tuple(name for name in self._cleared if name != key)
        if not (key == "email" and self._object == "contacts") and not known.get(key, {}).get("hasUniqueValue"):
            raise ConfigurationError(
                f"{sync}: the key {key!r} is not unique in HubSpot's {self._object}: choose a property that requires "
                "unique values" + (" (a company's domain does not)" if self._object == "companies" else "")
            )

    async def _prepare_list(self) -> None:
        sync = self.target.sync
        if not self._list_id:
            raise ConfigurationError(f"{sync}: a sync of lists needs the option list_id (the list's ILS id)")
        if self.target.mode == "create":
            raise ConfigurationError(f"{sync}: members of a list exist already; use mode upsert or mirror")
        if extra := [name for name in self.target.fields if name != self.target.key]:
            raise ConfigurationError(
                f"{sync}: a list knows members only, not {', '.join(extra)}; "
                "send properties by a sync of contacts, or begin the column with an underscore"
            )
        try:
            details = await self._client.list_details(self._list_id)
        except Rejected as refused:
            raise ConfigurationError(f"{sync}: HubSpot has no list {self._list_id} ({refused.error_class})") from None
        if details.get("processingType") not in ("MANUAL", "SNAPSHOT"):
            raise ConfigurationError(
                f"{sync}: list {self._list_id} is {details.get('processingType')}: HubSpot fills it by itself; "
                "members can be set in MANUAL and SNAPSHOT lists only"
            )
        if details.get("objectTypeId") != _CONTACT:
            raise ConfigurationError(f"{sync}: list {self._list_id} is not a list of contacts")

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        wanted = set(keys)
        found: dict[str, list[str]] = {}
        for record in await self._read(list(keys), by_key=True):
            for value in self._keys_of(record):
                if value in wanted and record["id"] not in found.setdefault(value, []):
                    found[value].append(record["id"])
        return found

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._is_list:
            async for outcome in self._join(batch.rows):
                yield outcome
            return
        known: list[tuple[Row, dict[str, str]]] = []
        fresh: list[tuple[Row, dict[str, str]]] = []
        for row, values in batch.records():
            (known if row.destination_id else fresh).append((row, self._properties(row, values)))
        if idle := [row for row, properties in known if not properties]:
            known = [(row, properties) for row, properties in known if properties]
            for row in idle:
                yield Outcome(row.key, "accepted")
        for part in _apart(known):
            inputs: list[dict[str, Any]] = [{"id": row.destination_id, "properties": values} for row, values in part]
            async for outcome in self._write("update", [row for row, _ in part], inputs):
                yield outcome
        if fresh:
            key = self.target.key
            if self.target.mode == "create":
                verb, inputs = "create", [{"properties": values, "associations": []} for _, values in fresh]
            else:
                verb = "upsert"
                inputs = [{"id": values[key], "idProperty": key, "properties": values} for _, values in fresh]
            async for outcome in self._write(verb, [row for row, _ in fresh], inputs):
                yield outcome

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._is_list:
            async for outcome in self._leave(batch.rows):
                yield outcome
            return
        rows: list[Row] = []
        for row in batch.rows:
            merged = await self._merged(row, row.merge_into) if row.merge_into else None
            if merged is not None:
                yield merged
            else:
                rows.append(row)
        live = {record["id"] for record in await self._read(sorted({row.destination_id or "" for row in rows}))}
        archived: list[Row] = []
        cleared: list[tuple[Row, dict[str, str]]] = []
        for row in rows:
            if row.destination_id not in live:
                # deleted, or part of another record since: the engine looks where the key is now
                yield Outcome(row.key, "gone", error_class="object_not_found")
            elif row.created_by_us:
                archived.append(row)
            elif self._cleared:
                cleared.append((row, dict.fromkeys(self._cleared, "")))
            else:
                yield Outcome(row.key, "accepted")
        if archived:
            records = sorted({row.destination_id or "" for row in archived})
            await self._client.batch(self._object, "archive", {"inputs": [{"id": record} for record in records]})
            for row in archived:
                yield Outcome(row.key, "accepted")
        for part in _apart(cleared):
            inputs: list[dict[str, Any]] = [{"id": row.destination_id, "properties": values} for row, values in part]
            async for outcome in self._write("update", [row for row, _ in part], inputs):
                yield outcome

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        by_key = await self.lookup([row.key for row in batch.rows])
        for row in batch.rows:
            records = set(by_key.get(row.key, ()))
            if row.destination_id:
                # leads to the record that it is part of now
                records |= {record["id"] for record in await self._read([row.destination_id])}
            try:
                for record in sorted(records):
                    if self._object == "contacts":
                        await self._client.erase_contact(record)
                    else:
                        await self._client.batch(self._object, "archive", {"inputs": [{"id": record}]})
                yield Outcome(row.key, "accepted")
            except Rejected as refused:
                yield Outcome(row.key, "rejected", error_class=refused.error_class)

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        with_id = {row.destination_id: row for row in rows if row.destination_id}
        if self._is_list:
            for member in await self._client.members(self._list_id, _CONTACT, list(with_id)):
                yield Found(with_id[member].key, member, {})
            return
        by_key = {row.key: row for row in rows if not row.destination_id}
        found = await self._read(list(with_id), every_field=True)
        found += await self._read(list(by_key), by_key=True, every_field=True)
        for record in found:
            keyed = (by_key[key] for key in self._keys_of(record) if key in by_key)
            row = with_id.get(record["id"]) or next(keyed, None)
            if row is not None:
                fields = {name: record["properties"].get(name) or None for name in self.target.fields}
                yield Found(row.key, record["id"], fields)

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        """Contacts that opted out of all e-mail; leaving one subscription type is not told here."""
        key = self.target.key
        if self._object != "contacts":
            return
        self._known = self._known or await self._client.properties(self._object)
        if _OPTED_OUT not in self._known:
            return
        filters = [{"propertyName": _OPTED_OUT, "operator": "EQ", "value": "true"}]
        if since is not None:
            milliseconds = int(since.replace(tzinfo=UTC).timestamp() * 1000)
            filters.append({"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(milliseconds)})
        last = "0"
        while True:
            # a search ends after 10,000 results: go on by id instead of by page
            seen = {"propertyName": "hs_object_id", "operator": "GT", "value": last}
            query = {
                "filterGroups": [{"filters": [*filters, seen]}],
                "properties": sorted({"email", key}),
                "sorts": ["hs_object_id"],
                "limit": _PAGE,
                "after": "0",
            }
            page = await self._client.search("contacts", query)
            there = {
                str(record["properties"]["email"]).lower(): record
                for record in page
                if record["properties"].get("email") and record["properties"].get(key)
            }
            for emails in parts(sorted(there), BATCH):
                for email, told in (await self._times(emails)).items():
                    at = datetime.fromisoformat(told or there[email]["updatedAt"]).astimezone(UTC).replace(tzinfo=None)
                    if since is None or at >= since:
                        yield OptOut(str(there[email]["properties"][key]).strip().lower(), "email", at)
            if len(page) < _PAGE:
                return
            last = page[-1]["id"]

    async def close(self) -> None:
        await self._client.close()

    async def _times(self, emails: Sequence[str]) -> Mapping[str, str | None]:
        """When they opted out, as far as HubSpot tells."""
        try:
            told = await self._client.unsubscribed(emails)
        except AuthenticationError:
            # the scope is not part of every tier; that they opted out is known anyway
            told = {}
        return {email: told.get(email) for email in emails}

    async def _join(self, rows: Sequence[Row]) -> AsyncIterator[Outcome]:
        members: dict[str, list[Row]] = {}
        for row in rows:
            if row.destination_id:
                members.setdefault(row.destination_id, []).append(row)
            else:
                yield Outcome(row.key, "rejected", error_class="not_found")
        if not members:
            return
        added, missing = await self._client.change_members(self._list_id, "add", list(members))
        rest = [record for record in members if record not in added and record not in missing]
        if rest:
            # in the list before, or left out without a word
            added |= await self._client.members(self._list_id, _CONTACT, rest)
        for record, same in members.items():
            for row in same:
                if record in missing:
                    yield Outcome(row.key, "gone", error_class="not_found")
                elif record in added:
                    yield Outcome(row.key, "accepted", destination_id=record)

    async def _leave(self, rows: Sequence[Row]) -> AsyncIterator[Outcome]:
        members = {row.destination_id or "": row for row in rows}
        removed, missing = await self._client.change_members(self._list_id, "remove", list(members))
        rest = [record for record in members if record not in removed and record not in missing]
        left = await self._client.members(self._list_id, _CONTACT, rest) if rest else set()
        for row in rows:
            if row.destination_id in missing:
                yield Outcome(row.key, "gone", error_class="not_found")
            elif row.destination_id not in left:
                yield Outcome(row.key, "accepted")

    async def _write(self, verb: str, rows: Sequence[Row], inputs: list[dict[str, Any]]) -> AsyncIterator[Outcome]:
        for position, entry in enumerate(inputs):
            entry["objectWriteTraceId"] = str(position)
        answer = await self._client.batch(self._object, verb, {"inputs": inputs})
        for outcome in self._outcomes(rows, answer):
            yield outcome

    def _outcomes(self, rows: Sequence[Row], answer: BatchAnswer) -> Iterator[Outcome]:
        """An outcome for each row that the answer speaks of.

        Raises Rejected at the end when it has an error that names nobody: the engine then tries the rows that are left
        in halves.
        """
        left = {str(position): row for position, row in enumerate(rows)}

        def take(traces: Sequence[str], names: Sequence[str]) -> Iterator[Row]:
            for trace, row in list(left.items()):
                if trace in traces or (not traces and {row.key, row.destination_id} & set(names)):
                    yield left.pop(trace)

        for result in answer.results:
            trace = result.get("objectWriteTraceId")
            for row in take([str(trace)] if trace is not None else [], [result["id"], *self._keys_of(result)]):
                record = str(result["id"])
                is_new = row.destination_id is None and result.get("new") is not False
                if not is_new and record != row.destination_id and record not in self._ours:
                    # somebody else made it since we looked, or merged it with a record of others
                    row.created_by_us = False
                yield Outcome(row.key, "accepted", destination_id=record)
        nameless = None
        for refusal in answer.refusals:
            named = list(take(list(refusal.traces), list(refusal.ids)))
            if not named and not refusal.is_passing:
                nameless = refusal
            for row in named:
                if refusal.is_missing and row.destination_id:
                    yield Outcome(row.key, "gone", error_class=refusal.error_class)
                elif not refusal.is_passing:
                    yield Outcome(row.key, "rejected", error_class=refusal.error_class)
        if left and nameless is not None:
            raise Rejected(nameless.error_class)

    async def _read(
        self, ids: Sequence[str], *, by_key: bool = False, every_field: bool = False
    ) -> list[dict[str, Any]]:
        key = self.target.key
        properties = {key, *(self.target.fields if every_field else ())}
        if key == "email":
            properties.add(_OTHER_EMAILS)
        return await self._client.read(self._object, ids, sorted(properties), key if by_key else None)

    async def _merged(self, row: Row, merge_into: str) -> Outcome | None:
        """Merge the row's record into the other one; None when that one is not there or this one leads elsewhere."""
        if not merge_into.isdigit():
            merge_into = next(iter((await self.lookup([merge_into])).get(merge_into, ())), "")
        stays, goes = await self._leads_to(merge_into), await self._leads_to(row.destination_id)
        if stays is None or goes not in (None, stays, row.destination_id):
            return None
        if goes is not None and goes != stays:
            try:
                stays = await self._client.merge(self._object, goes, stays)
            except Rejected as refused:
                return Outcome(row.key, "rejected", error_class=f"merge_{refused.error_class}")
        # else deleted, or merged by a call whose answer was lost
        if row.created_by_us:
            self._ours.add(stays)
        return Outcome(row.key, "accepted", destination_id=stays)

    async def _leads_to(self, record: str | None) -> str | None:
        """The id of the record that an id stands for now."""
        found = await self._read([record]) if record else []
        return found[0]["id"] if found else None

    def _keys_of(self, record: Mapping[str, Any]) -> list[str]:
        """The keys that lead to a record: a contact is found by its other addresses, too."""
        properties = record.get("properties") or {}
        values = [properties.get(self.target.key) or ""]
        if self.target.key == "email":
            values += (properties.get(_OTHER_EMAILS) or "").split(";")
        return [value.strip().lower() for value in values if value.strip()]

    def _properties(self, row: Row, values: Mapping[str, Any]) -> dict[str, str]:
        key = self.target.key
        sent: dict[str, str] = {}
        for name, value in values.items():
            if name == key:
                # the key matched already; sending it again would undo a correction that somebody made over there
                if row.destination_id is None or row.moved_from is not None:
                    sent[name] = str(value).strip()
            elif value is not None:
                sent[name] = value
            elif self.target.on_null == "clear" and row.destination_id is not None:
                sent[name] = ""
        return sent


def _is_read_only(entry: Mapping[str, Any]) -> bool:
    return bool((entry.get("modificationMetadata") or {}).get("readOnlyValue"))


def _apart(rows: Sequence[tuple[Row, dict[str, str]]]) -> list[list[tuple[Row, dict[str, str]]]]:
    """The rows in as few calls as have no record twice: two keys may lead to one record."""
    calls: list[dict[str | None, tuple[Row, dict[str, str]]]] = []
    for row, values in rows:
        call = next((call for call in calls if row.destination_id not in call), None)
        if call is None:
            calls.append(call := {})
        call[row.destination_id] = (row, values)
    return [list(call.values()) for call in calls]
