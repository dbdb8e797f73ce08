"""Medusa 2, the shop: customers and the customer groups that its promotions and price lists look at.

What shapes this file, from the Admin API of Medusa 2.21: a secret API key is the user of HTTP Basic; customers are
written one by one, group memberships many at a time (`POST customer-groups/{id}/customers {add, remove}`); one address
may be there twice, as a guest and as an account: the account is meant. There is no upsert, so a customer is looked up
before it is made. Errors are `{type, message}`, and the message may quote values. A deleted customer is only hidden.
Groups that we made carry `kinship` in their metadata; nobody is taken out of another group.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import httpx
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Found, Outcome, Row, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import AuthenticationError, ConfigurationError, Rejected, Retryable
from reverse_etl.http import Http, body
from reverse_etl.limits import Limits, Options
from reverse_etl.rendering import for_json

_PROPERTIES = ("email", "first_name", "last_name", "company_name", "phone")
_GROUPS = "groups"
_FIELDS = f"id,has_account,{','.join(_PROPERTIES)},metadata,groups.id,groups.name,groups.metadata"


class MedusaOptions(Options):
    """The time a call may take."""

    timeout_seconds: float = Field(default=30.0, gt=0)


class Medusa(Destination):
    """Customers: columns are their properties, `groups` (a list of names), and what else there is goes to metadata."""

    options_model = MedusaOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, key = credentials("medusa", "KINSHIP_MEDUSA_URL", "KINSHIP_MEDUSA_API_KEY")
        options: MedusaOptions = target.options
        self._http = Http(
            "medusa", url.rstrip("/") + "/admin/", target.meter, auth=(key, ""), timeout=options.timeout_seconds,
            explain=_error_class,
        )  # fmt: skip
        self._groups: dict[str, str] | None = None
        self._metadata = tuple(name for name in target.fields if name not in (*_PROPERTIES, _GROUPS))

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # no limit is documented; an address is some 30 bytes of a query, and 100 of them stay below 8 KB
        return Limits(rows=100)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_json(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        # the groups once; a look-up or a read per batch, one call a customer, and about one per batch for its groups
        batches = sum(-(-rows // limits.rows) for rows in (adds, changes, removals))
        return 1 + adds + changes + removals + 2 * batches

    async def check(self) -> CheckResult:
        await self.prepare()
        return CheckResult("medusa", "ok", f"the key is taken; {len(self._groups or {})} groups are ours")

    async def prepare(self) -> None:
        if self.target.object not in ("", "customers"):
            raise ConfigurationError(
                f"{self.target.sync}: meta.sync.object: medusa knows 'customers' here, not {self.target.object!r}"
            )
        if self.target.sync and self.target.fields and self.target.key != "email":
            raise ConfigurationError(f"{self.target.sync}: meta.sync.key: medusa finds a customer by 'email' alone")
        await self._our_groups()

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[tuple[bool, str]]] = {}
        for customer in await self._customers({"email[]": list(keys)}):
            found.setdefault(customer["email"].strip().lower(), []).append((customer["has_account"], customer["id"]))
        chosen: dict[str, Sequence[str]] = {}
        for key, customers in found.items():
            accounts = [record for has_account, record in customers if has_account]
            chosen[key] = accounts or [record for _, record in customers]
        return chosen

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        records = list(batch.records())
        before = {c["id"]: c for c in await self._known([row for row, _ in records])}
        join: dict[str, list[str]] = {}
        leave: dict[str, list[str]] = {}
        written: list[Outcome] = []
        failure: Exception | None = None
        for row, values in records:
            customer = before.get(row.destination_id or "")
            if row.destination_id is not None and customer is None:
                yield Outcome(row.key, "gone")
                continue
            try:
                record = await self._write(row, values, customer)
            except Rejected as rejected:
                yield Outcome(row.key, "rejected", error_class=rejected.error_class)
                continue
            except Exception as error:
                # who was written already is still put into the groups, and only then accepted
                failure = error
                break
            written.append(Outcome(row.key, "accepted", destination_id=record))
            if _GROUPS in values and (values[_GROUPS] is not None or self.target.on_null == "clear"):
                wanted = {await self._group(name) for name in values[_GROUPS] or ()}
                held = {group["id"] for group in (customer or {}).get(_GROUPS) or () if _is_ours(group)}
                for group in wanted - held:
                    join.setdefault(group, []).append(record)
                for group in held - wanted:
                    leave.setdefault(group, []).append(record)
        await self._move(join, leave)
        for outcome in written:
            yield outcome
        if failure is not None:
            raise failure

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        before = {c["id"]: c for c in await self._known(batch.rows)}
        for row in batch.rows:
            customer = before.get(row.destination_id or "")
            if customer is None:
                yield Outcome(row.key, "accepted")
                continue
            if row.created_by_us:
                await self._http.request("DELETE", f"customers/{customer['id']}", expect=(404,))
            else:
                held = {group["id"]: [customer["id"]] for group in customer.get(_GROUPS) or () if _is_ours(group)}
                await self._move({}, held)
                if self._metadata:
                    # an empty string takes a key out of the metadata
                    cleared = {"metadata": dict.fromkeys(self._metadata, "")}
                    await self._http.request("POST", f"customers/{customer['id']}", json=cleared)
            yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        keys = {row.destination_id: row.key for row in rows}
        for customer in await self._known(rows):
            metadata = customer.get("metadata") or {}
            values = {
                name: sorted(group["name"] for group in customer.get(_GROUPS) or () if _is_ours(group))
                if name == _GROUPS
                else customer.get(name)
                if name in _PROPERTIES
                else metadata.get(name)
                for name in self.target.fields
            }
            yield Found(keys[customer["id"]], customer["id"], values)

    async def close(self) -> None:
        await self._http.close()

    async def _write(self, row: Row, values: Mapping[str, Any], customer: Mapping[str, Any] | None) -> str:
        clear = self.target.on_null == "clear"
        sent: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        for name, value in values.items():
            if name == _GROUPS or (value is None and not clear):
                continue
            if name in _PROPERTIES:
                # the key matched already, and is written only when it moves
                if name != self.target.key or customer is None or row.moved_from is not None:
                    sent[name] = value
            else:
                metadata[name] = "" if value is None else value
        if metadata:
            sent["metadata"] = {**((customer or {}).get("metadata") or {}), **metadata}
        path = "customers" if customer is None else f"customers/{customer['id']}"
        answer = body(await self._http.request("POST", path, json=sent))
        record = answer.get("customer", {}).get("id") if isinstance(answer, dict) else None
        if not record:
            raise Retryable("no_record", "medusa said yes without giving the customer")
        return str(record)

    async def _known(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        ids = [row.destination_id for row in rows if row.destination_id]
        return await self._customers({"id[]": ids}) if ids else []

    async def _customers(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        parameters = {**wanted, "fields": _FIELDS, "limit": 200}
        return await self._page("customers", "customers", parameters)

    async def _page(self, path: str, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            answer = body(await self._http.request("GET", path, params={**parameters, "offset": len(rows)}))
            if not isinstance(answer, dict) or name not in answer:
                raise Retryable("not_json")
            rows += answer[name]
            if not answer[name] or len(rows) >= answer.get("count", 0):
                return rows

    async def _our_groups(self) -> dict[str, str]:
        if self._groups is None:
            try:
                found = await self._page(
                    "customer-groups", "customer_groups", {"fields": "id,name,metadata", "limit": 200}
                )
            except Rejected:
                raise ConfigurationError(
                    "medusa does not list its customer groups: is KINSHIP_MEDUSA_URL right?"
                ) from None
            except AuthenticationError:
                raise AuthenticationError("medusa refuses KINSHIP_MEDUSA_API_KEY: it has to be a secret key") from None
            self._groups = {group["name"]: group["id"] for group in found if _is_ours(group)}
        return self._groups

    async def _group(self, name: str) -> str:
        groups = await self._our_groups()
        if name not in groups:
            made = await self._http.request(
                "POST", "customer-groups", json={"name": name, "metadata": {"kinship": True}}
            )
            groups[name] = str(body(made)["customer_group"]["id"])
        return groups[name]

    async def _move(self, join: Mapping[str, Sequence[str]], leave: Mapping[str, Sequence[str]]) -> None:
        moves = [
            (group, {"add": list(join.get(group, ())), "remove": list(leave.get(group, ()))})
            for group in {*join, *leave}
        ]
        await asyncio.gather(
            *(self._http.request("POST", f"customer-groups/{group}/customers", json=move) for group, move in moves)
        )


def _is_ours(group: Mapping[str, Any]) -> bool:
    return bool((group.get("metadata") or {}).get("kinship"))


def _error_class(response: httpx.Response) -> str | None:
    try:
        kind = response.json().get("type")
    except (ValueError, AttributeError):
        return None
    return str(kind) if isinstance(kind, str) and kind.isidentifier() else None
