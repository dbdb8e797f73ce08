# ruff: noqa: S608 - SQL is put together here, every name and value through reverse_etl.warehouse
"""The due rows with their rendered fields, a window at a time: the warehouse is attached for one read, then let go.

What was planned is one thing, what is true when a window is read another: in later windows rows whose payload, key or
consent changed since the plan are left out, and the next run decides about them anew.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from kinship.sql import quoted
from reverse_etl.config import Sync
from reverse_etl.destination import Operation
from reverse_etl.difference import columns_of, fields_of, gated_sql, key_sql, relation, sending_order
from reverse_etl.errors import LockedError
from reverse_etl.gate import open_gate, open_gate_again
from reverse_etl.threads import in_thread
from reverse_etl.warehouse import all_threads, attached, one_row

ORDER = (Operation.ERASE, Operation.REMOVE, Operation.CHANGE, Operation.ADD)
WINDOW = 50_000
"""Rows read at once: some 50 MB of payloads, and 0.1 s of the warehouse's lock at a million rows."""


class Payloads:
    """The queue of one run. `line_up` and the first window share the attachment of the plan."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sync: Sync, warehouse: Path, patience: float) -> None:
        self.overtaken = 0
        """Rows left out because they changed since the plan."""
        self.totals: dict[Operation, int] = {}
        self._connection = connection
        self._sync = sync
        self._warehouse = warehouse
        self._patience = patience
        self._window = WINDOW
        limits = sync.limits
        self._measures = limits.batch_bytes is not None or limits.row_bytes is not None
        self._first: pa.Table | None = None

    def line_up(self, catalog: str, limit: int | None = None) -> None:
        """Put the due rows in the order of sending (what was claimed, then the most valuable), and read the first
        window, while the warehouse is attached. With `limit`, only the first rows."""
        self._connection.execute(
            f"""
            create or replace temp table queue as
            select
                *,
                row_number() over (order by {sending_order()}) - 1 as position
            from due
            qualify $1::bigint is null or position < $1
            """,
            [limit],
        )
        counted = self._connection.execute("select operation, count(*) from queue group by operation").fetchall()
        self.totals = {Operation(operation): count for operation, count in counted}
        # what the difference needed and the run does not: at ten million rows more than a gigabyte
        for table in ("due", "touched", "desired", "state", "decided", "leaving", "arriving"):
            self._connection.execute(f"drop table if exists temp.{table}")
        if (first := next(self._spans(), None)) is not None:
            self._first = self._read(catalog, *first, recheck=False)

    def line_up_accepted(self, catalog: str, sample: int | None) -> dict[str, str]:
        """For a drift check, the accepted rows in place of the due ones, all or a random sample; the fields and their
        types. `windows` then gives those that are wanted just as they were accepted."""
        columns = columns_of(self._connection, self._sync, catalog)
        open_gate(self._connection, self._sync, catalog)
        chosen = "" if sample is None else f"using sample reservoir({int(sample)} rows)"
        self._connection.execute(
            f"""
            create or replace temp table queue as
            select
                key, payload_hash, customer_id, destination_id, created_by_us, 'change' as operation,
                false as is_claimed, null::varchar as claimed_batch, null::integer as batch_rows,
                null::varchar as moved_from, null::varchar as merge_into, row_number() over () - 1 as position
            from (from accepted {chosen})
            """
        )
        (count,) = one_row(self._connection, "select count(*) from queue")
        self.totals = {Operation.CHANGE: count} if count else {}
        return {name: columns[name] for name in fields_of(self._sync, columns)}

    @property
    def total(self) -> int:
        """Rows in the queue."""
        return sum(self.totals.values())

    async def windows(self, operation: Operation) -> AsyncIterator[pa.Table]:
        """The windows of one operation, read as they are asked for. Raises LockedError when others held the warehouse
        longer than we have patience."""
        for span in self._spans():
            if span[0] is operation:
                yield await self._wait_and_read(*span)

    def _spans(self) -> Iterator[tuple[Operation, int, int]]:
        """First and last position of every window; none spans two operations."""
        start = 0
        for operation in ORDER:
            stop = start + self.totals.get(operation, 0)
            for position in range(start, stop, self._window):
                yield operation, position, min(position + self._window, stop)
            start = stop

    async def _wait_and_read(self, operation: Operation, start: int, stop: int) -> pa.Table:
        if start == 0 and self._first is not None:
            table, self._first = self._first, None
            return table
        deadline = time.monotonic() + self._patience
        while True:
            # calls that are on their way go on meanwhile
            try:
                return await in_thread(lambda: self._attach_and_read(operation, start, stop))
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(0.2)

    def _attach_and_read(self, operation: Operation, start: int, stop: int) -> pa.Table:
        with attached(self._connection, self._warehouse, write=False) as catalog, all_threads(self._connection):
            return self._read(catalog, operation, start, stop, recheck=True)

    def _read(self, catalog: str, operation: Operation, start: int, stop: int, *, recheck: bool) -> pa.Table:
        sync, connection = self._sync, self._connection
        columns = columns_of(connection, sync, catalog)
        fields = fields_of(sync, columns)
        leaves = operation in (Operation.REMOVE, Operation.ERASE)
        kind = sync.destination_class
        rendered = [f"{kind.render(f'picked.{quoted(name)}', columns[name])} as {quoted(name)}" for name in fields]
        internal = (
            "key", "operation", "payload_hash", "customer_id", "destination_id", "created_by_us", "is_claimed",
            "claimed_batch", "batch_rows", "moved_from", "merge_into",
        )  # fmt: skip
        own = ", ".join(f"part.{name} as _{name}" for name in internal)
        ctes = [f"part as materialized (from queue where position >= {start} and position < {stop})"]
        if recheck or not leaves:
            ctes.append(
                f"""picked as materialized (
                    select *, {key_sql(sync)} as _due_key from {relation(sync, catalog)}
                    where {key_sql(sync)} in (select key from part)
                )"""
            )
        condition = "true"
        if recheck and operation is not Operation.ERASE:
            ctes.append(
                f"""now as (
                    select
                        key, count(*) as copies, any_value(payload_hash) as payload_hash, any_value(verdict) as verdict
                    from ({gated_sql(sync, columns, "picked", open_gate_again(connection, sync, catalog))})
                    group by key
                )"""
            )
            wanted = "now.copies = 1 and now.verdict = 'granted'"
            condition = f"({wanted}) is not true" if leaves else f"{wanted} and now.payload_hash = part.payload_hash"
        joined = "left join now on part.key = now.key" if condition != "true" else ""
        joined += "" if leaves else " inner join picked on part.key = picked._due_key"
        body = f"select part.position as _position, {own}{'' if leaves else ', ' + ', '.join(rendered)}"
        query = f"with {', '.join(ctes)} {body} from part {joined} where {condition}"
        if self._measures and not leaves:
            names = ", ".join(f"{quoted(name)}: {quoted(name)}" for name in fields)
            query = f"select *, strlen(to_json({{{names}}})::varchar) as _bytes from ({query})"
        table = connection.sql(f"select * exclude (_position) from ({query}) order by _position").to_arrow_table()
        self.overtaken += (stop - start) - table.num_rows
        return table
