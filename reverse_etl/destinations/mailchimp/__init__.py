"""Mailchimp, through its Marketing API 3.0: members of one audience, their tags, static segments.

What shapes this file (the vendor's reference and SDKs, mailchimp/mailchimp-marketing-*-sdk, unless said otherwise):

* `POST /lists/<id>` takes up to 500 members and answers 200 with `new_members`, `updated_members` and `errors`: who is
  in none of them was not taken.
* `status_if_new` is the status of those who are not in the audience yet; `status` would also change those who are, and
  so re-subscribe who unsubscribed. It is never sent, with one exception: see the next point.
* A deleted member is archived, `status_if_new` does not bring it back (tbar0970/jethro-pmm#708), and the status
  `archived` hides whether the person had unsubscribed before (brandonseydel/MailChimp.Net#529). So who is unsubscribed
  is never archived, and who is archived by us gets a tag that says so: only they are brought back.
* An address that was deleted permanently cannot be imported again; the person has to sign up.
* 10 simultaneous connections for a user, no raise. We leave two to others.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

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
from reverse_etl.destinations.mailchimp.client import Client, member_path, problem
from reverse_etl.destinations.mailchimp.labels import Labels
from reverse_etl.errors import ConfigurationError, Rejected
from reverse_etl.http import body
from reverse_etl.limits import Limits, Names, Options
from reverse_etl.rendering import for_json, for_text

OBJECTS = ("members", "tags", "segments")
_KEY = "email_address"
_BATCH = 500
_PAGE = 1000
_CONNECTIONS = 8
_MEMBER_FIELDS = frozenset({"language", "vip", "email_type"})
_REFUSED_FIELDS = {
    "status": "it would re-subscribe; the option status_if_new is for new members",
    "tags": "use the object 'tags'",
}
_STANDARD = frozenset({"FNAME", "LNAME", "ADDRESS", "PHONE", "BIRTHDAY", "COMPANY"})
"""Merge fields that every audience has: they are not ours to empty."""
_ARCHIVED = "kinship: archived while "
"""A tag of ours on members that a removal archived, with the status they had."""
_GONE_STATUS = {"unsubscribed": "opted_out", "cleaned": "cleaned"}


class MailchimpOptions(Options):
    """`list_id` is the audience. `tag` (object `tags`) and `segment_id` (object `segments`) belong to one sync: who
    leaves the model loses them. `clear_fields`: comma separated merge fields that a removal empties on members that we
    did not create; default: the sync's merge fields but for those every audience has (FNAME ...)."""

    list_id: str | None = Field(default=None, min_length=1)
    status_if_new: Literal["subscribed", "pending", "unsubscribed", "transactional"] = "subscribed"
    tag: str | None = Field(default=None, min_length=1, max_length=100)
    segment_id: int | None = None
    clear_fields: Names | None = None
    timeout_seconds: float = Field(default=120.0, gt=0)


class Mailchimp(Destination):
    """Members of an audience (`members`), or who of them has a tag (`tags`) or is in a static segment (`segments`)."""

    options_model = MailchimpOptions
    # no `create`: after a lost answer nobody can tell a member that we made from one that was there
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "update", "mirror"})
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    # the address is hashed in lower case
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        options: MailchimpOptions = target.options
        self._options = options
        self._check_configuration()
        self._client = Client(options.list_id or "", target.meter, options.timeout_seconds)
        self._labels = Labels(self._client, options.tag, options.segment_id) if target.object != "members" else None

    def _check_configuration(self) -> None:
        target, options = self.target, self._options
        if not target.object:
            return  # `kinship check` without a sync
        where = target.sync
        if target.object not in OBJECTS:
            raise ConfigurationError(f"{where}: mailchimp has no object {target.object!r}; it has {', '.join(OBJECTS)}")
        if target.key != _KEY:
            raise ConfigurationError(f"{where}: mailchimp knows members by {_KEY}, not by {target.key!r}")
        needed = {"tags": ("tag", options.tag), "segments": ("segment_id", options.segment_id)}.get(target.object)
        for name, value in (("list_id", options.list_id), *([needed] if needed else [])):
            if value is None:
                raise ConfigurationError(f"{where}: mailchimp's {target.object} need the option {name}")
        if target.object != "members" and len(target.fields) > 1:
            raise ConfigurationError(
                f"{where}: mailchimp's {target.object} take {_KEY} alone; begin other columns with an underscore"
            )
        for name, reason in _REFUSED_FIELDS.items():
            if name in target.fields:
                raise ConfigurationError(f"{where}: the column {name!r} is not sent to mailchimp: {reason}")

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return Limits(
            rows=50 if object == "tags" else _BATCH,
            removal_rows=_BATCH if object == "segments" else 50,
            concurrency=_CONNECTIONS,
        )

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_text(column, kind) if kind == "BOOLEAN" or kind.endswith("[]") else for_json(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        if object == "tags":
            return adds + changes + removals
        sent = -(-adds // limits.rows) - (-changes // limits.rows)
        if object == "segments":
            return sent - (-removals // (limits.removal_rows or limits.rows))
        # merge fields; a removal asks for the status, tags and archives
        return 1 + sent + 3 * removals

    async def check(self) -> CheckResult:
        if not self._options.list_id:
            return CheckResult("mailchimp", "failed", "which audience? Check a sync, its options name the list_id")
        response = await self._client.call("GET", params={"fields": "name"}, expect=(404,))
        if response.status_code == 404:
            raise ConfigurationError("mailchimp has no audience with the list_id of the sync's options")
        if self._labels is not None:
            await self._labels.check(self.target.sync)
        else:
            await self.prepare()
        name = str(body(response).get("name", ""))
        return CheckResult("mailchimp", "ok", f"reached the audience {name!r}", {"audience": name})

    async def prepare(self) -> None:
        if self._labels is not None:
            return
        parameters = {"count": _PAGE, "fields": "merge_fields.tag,merge_fields.required"}
        fields = body(await self._client.call("GET", "/merge-fields", params=parameters))["merge_fields"]
        tags = {field["tag"] for field in fields}
        for name in (*self._merge_fields(), *self._cleared()):
            # an unknown merge field is dropped without a word
            if name not in tags:
                raise ConfigurationError(
                    f"{self.target.sync}: the column {name!r} is no merge field of the mailchimp audience; it has "
                    f"{', '.join(sorted(tags))}, and every member {_KEY}, {', '.join(sorted(_MEMBER_FIELDS))}"
                )
        missing = [field["tag"] for field in fields if field.get("required") and field["tag"] not in self.target.fields]
        if missing and self.target.fields and self.target.mode != "update":
            raise ConfigurationError(
                f"{self.target.sync}: the mailchimp audience asks for {', '.join(missing)} of everybody; select it in "
                "the sync model, or make it optional in mailchimp"
            )

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._labels is not None:
            async for outcome in self._labels.send(batch):
                yield outcome
            return
        together: list[tuple[Row, dict[str, Any]]] = []
        for row, values in batch.records():
            alone = self.target.mode == "update" or (row.moved_from is not None and row.destination_id)
            changed = await self._patch(row, values) if alone else None
            if changed is None:
                together.append((row, values))
            else:
                yield changed
        if together:
            async for outcome in self._upsert(together):
                yield outcome

    async def _upsert(self, records: Sequence[tuple[Row, Mapping[str, Any]]]) -> AsyncIterator[Outcome]:
        members = [{**self._member(values), "status_if_new": self._options.status_if_new} for _, values in records]
        answer = body(await self._client.call("POST", json={"members": members, "update_existing": True}))
        rows = {row.key.lower(): row for row, _ in records}
        for error in answer.get("errors") or ():
            if row := rows.pop(_address(error), None):
                yield Outcome(row.key, "rejected", error_class=_error_class(error))
        for member in answer.get("new_members") or ():
            if row := rows.pop(_address(member), None):
                row.created_by_us = True
                yield Outcome(row.key, "accepted", destination_id=_id(member))
        for member in answer.get("updated_members") or ():
            if row := rows.pop(_address(member), None):
                if row.operation is Operation.ADD:
                    # the claim of a call whose answer was lost says that we made it; be sure not to archive others'
                    row.created_by_us = False
                yield await self._outcome(row, member)

    async def _outcome(self, row: Row, member: Mapping[str, Any]) -> Outcome:
        """What it means for the row that the member is there, with this status."""
        status = str(member.get("status"))
        if status in _GONE_STATUS:
            return Outcome(row.key, "rejected", _id(member), _GONE_STATUS[status])
        if status != "archived":
            return Outcome(row.key, "accepted", _id(member))
        before = next((tag for tag in _tags(member) if tag.startswith(_ARCHIVED)), None)
        if before is None:
            return Outcome(row.key, "rejected", _id(member), "archived")
        restored = {"status": before.removeprefix(_ARCHIVED)}
        response = await self._client.call("PATCH", f"/members/{_id(member)}", json=restored, expect=(400,))
        if response.status_code == 400:
            return Outcome(row.key, "rejected", _id(member), problem(response) or "archived")
        inactive = {"tags": [{"name": before, "status": "inactive"}]}
        await self._client.call("POST", f"/members/{_id(member)}/tags", json=inactive)
        row.created_by_us = True
        return Outcome(row.key, "accepted", _id(member))

    async def _patch(self, row: Row, values: Mapping[str, Any]) -> Outcome | None:
        """Change one member that is there. None: the old address of a moved record cannot become the new one."""
        content = self._member(values)
        if row.moved_from is None:
            del content[_KEY]
        path = f"/members/{row.destination_id}" if row.destination_id else member_path(row.key)
        response = await self._client.call("PATCH", path, json=content, expect=(400, 404))
        if response.is_success:
            return await self._outcome(row, body(response))
        if row.moved_from is not None:
            # the new address is a member already, or the old one may not change: two records, the old one goes next
            row.supersedes, row.moved_from = row.moved_from, None
            row.destination_id, row.created_by_us = None, False
            return None
        word = "not_found" if response.status_code == 404 else problem(response) or "http_400"
        return Outcome(row.key, "rejected", error_class=word)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._labels is not None:
            async for outcome in self._labels.remove(batch):
                yield outcome
            return
        for row in batch.rows:
            try:
                await (self._archive(row) if row.created_by_us else self._clear(row))
                yield Outcome(row.key, "accepted")
            except Rejected as refused:
                yield Outcome(row.key, "rejected", error_class=refused.error_class)

    async def _archive(self, row: Row) -> None:
        path = f"/members/{row.destination_id}" if row.destination_id else member_path(row.key)
        response = await self._client.call("GET", path, params={"fields": "status"}, expect=(404,))
        status = "archived" if response.status_code == 404 else str(body(response).get("status"))
        if status == "archived" or status in _GONE_STATUS:
            return  # an archived member would hide that the person unsubscribed
        mark = {"tags": [{"name": _ARCHIVED + status, "status": "active"}]}
        await self._client.call("POST", f"{path}/tags", json=mark, expect=(404,))
        await self._client.call("DELETE", path, expect=(404,))

    async def _clear(self, row: Row) -> None:
        if cleared := self._cleared():
            path = f"/members/{row.destination_id}" if row.destination_id else member_path(row.key)
            emptied = {"merge_fields": dict.fromkeys(cleared, "")}
            await self._client.call(
                "PATCH", path, json=emptied, params={"skip_merge_validation": "true"}, expect=(404,)
            )

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            path = f"{member_path(row.key)}/actions/delete-permanent"
            await self._client.call("POST", path, expect=(404,))
            yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        for row in rows:
            response = await self._client.call("GET", member_path(row.key), expect=(404,))
            if response.status_code == 404:
                continue
            member = body(response)
            if self._labels is not None:
                if self._labels.has(member):
                    yield Found(row.key, _id(member), {})
            elif member.get("status") != "archived":
                held = {**member.get("merge_fields", {}), **{name: member.get(name) for name in _MEMBER_FIELDS}}
                held["vip"] = str(bool(held["vip"])).lower()  # as it is rendered
                fields = {name: held[name] for name in self.target.fields if name in held}
                yield Found(row.key, _id(member), {**fields, _KEY: member[_KEY]})

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        offset = 0
        while True:
            parameters: dict[str, Any] = {
                "status": "unsubscribed",
                "fields": "members.email_address,members.last_changed",
                "sort_field": "last_changed",
                "sort_dir": "ASC",
                "count": _PAGE,
                "offset": offset,
            }
            if since is not None:
                parameters["since_last_changed"] = f"{since.isoformat(timespec='seconds')}+00:00"
            members = body(await self._client.call("GET", "/members", params=parameters))["members"]
            for member in members:
                yield OptOut(_address(member), "email", _utc(member["last_changed"]))
            if len(members) < _PAGE:
                return
            offset += _PAGE

    async def close(self) -> None:
        await self._client.close()

    def _member(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The member of a row; a NULL empties a merge field, or is left out."""
        member: dict[str, Any] = {_KEY: str(values[_KEY]).strip()}
        merged = {}
        for name, value in values.items():
            if value is None and (self.target.on_null == "leave" or name in _MEMBER_FIELDS):
                continue
            if name in _MEMBER_FIELDS:
                member[name] = value == "true" if name == "vip" else value
            elif name != _KEY:
                merged[name] = "" if value is None else value
        if merged:
            member["merge_fields"] = merged
        return member

    def _merge_fields(self) -> Iterator[str]:
        return (name for name in self.target.fields if name != _KEY and name not in _MEMBER_FIELDS)

    def _cleared(self) -> tuple[str, ...]:
        if self._options.clear_fields is not None:
            return self._options.clear_fields
        return tuple(name for name in self._merge_fields() if name not in _STANDARD)


def _address(record: Mapping[str, Any]) -> str:
    return str(record.get(_KEY, "")).strip().lower()


def _id(member: Mapping[str, Any]) -> str:
    """The contact's id, which stays when the address changes; paths take it as they take the hash."""
    return str(member.get("contact_id") or member["id"])


def _tags(member: Mapping[str, Any]) -> Iterator[str]:
    return (str(tag.get("name", "")) for tag in member.get("tags") or ())


def _error_class(error: Mapping[str, Any]) -> str:
    """A word for an entry of `errors`. The text tells what the code ERROR_GENERIC does not; it quotes the address."""
    text = str(error.get("error", "")).lower()
    if "compliance state" in text:
        return "opted_out"
    if "permanently deleted" in text or "forgotten" in text:
        return "erased"
    if "fake or invalid" in text or "valid email" in text:
        return "invalid_email"
    if error.get("field"):
        return "invalid_field"
    return str(error.get("error_code", "refused")).lower().removeprefix("error_")[:40]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
