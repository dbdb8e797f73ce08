# ruff: noqa: S608 - the names in these queries come from this package, never from data
"""Scores pairs of records with a frozen model."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from kinship.identity.matching import blocking, columns, engine
from kinship.identity.matching.levels import LEAST_WEIGHT
from kinship.identity.matching.model import Model
from kinship.identity.matching.surroundings import of_records

SCHEMA = pa.schema(
    [
        ("left_id", pa.int64()),
        ("right_id", pa.int64()),
        ("match_weight", pa.float64()),
        ("match_probability", pa.float64()),
        ("detail", pa.string()),
    ]
)

PAIRS_AT_ONCE = 20_000_000
"""More are scored in parts. A part costs a pass over the records on top of its pairs: 5.2 million pairs of 97,000
records took 22 CPU seconds at once and 50 in eight parts."""


def prepare(
    opened: duckdb.DuckDBPyConnection, known: list[str], frequencies: pa.Table | None = None, records: int = 0
) -> None:
    """Table `prepared` out of table `records`; with the frequencies among so many records, a column tf_<attribute>
    for each.

    A value that training never saw counts as the rarest there is.
    """
    source = columns.prepared_sql(known, "records", opened.table("records").columns)
    if frequencies is None or frequencies.num_rows == 0:
        opened.execute(f"create or replace table prepared as {source}")
        return
    opened.register("frequencies", frequencies)
    attributes = sorted(set(frequencies["attribute"].to_pylist()))
    terms, joins = [], []
    rarest = 1 / (records + 1)
    for place, attribute in enumerate(attributes):
        terms.append(
            f"case when {attribute} is not null then coalesce(f{place}.frequency, {rarest!r}) end as tf_{attribute}"
        )
        joins.append(
            f"left join (select value, frequency from frequencies where attribute = '{attribute}') as f{place}"
            f" on f{place}.value = record.{attribute}"
        )
    opened.execute(
        f"create or replace table prepared as select record.*, {', '.join(terms)} from ({source}) as record"
        f" {' '.join(joins)} order by record.node_id"
    )
    opened.unregister("frequencies")


def score_pairs(
    opened: duckdb.DuckDBPyConnection,
    settings: dict[str, Any],
    pairs: str,
    *,
    least_weight: float,
    with_detail: bool = False,
) -> pa.Table:
    """Scores the pairs (left_id, right_id) of a table over `prepared`, weight in bits. As `score` returns them.

    At most about PAIRS_AT_ONCE pairs at a time, those of the same records on the left together: what is scored at once
    is held twice, as are the records it is about. Parts follow each other in the order of the result, which is never
    sorted as a whole: 17 million details are more text than one array of Arrow's holds (2 GB).
    """
    detail = _detail(settings) if with_detail else "''"
    row = opened.execute(f"select count(*) from {pairs}").fetchone()
    parts = 1 + (int(row[0]) if row else 0) // PAIRS_AT_ONCE
    shares = ", ".join(str(part / parts) for part in range(1, parts))
    row = opened.execute(f"select quantile_disc(left_id, [{shares}]::double[]) from {pairs}").fetchone()
    ends = sorted(set(row[0] or ())) if row else []
    return pa.concat_tables(
        _score_part(opened, settings, f"{pairs} where left_id > {low} and left_id <= {high}", least_weight, detail)
        for low, high in pairwise([-(2**63), *ends, 2**63 - 1])
    )


def _score_part(
    opened: duckdb.DuckDBPyConnection, settings: dict[str, Any], pairs: str, least_weight: float, detail: str
) -> pa.Table:
    """Scores the pairs of `pairs`, a table and a condition; `detail` is an expression over a pair."""
    opened.execute(
        "create or replace table blocked as"
        f" select '0' as match_key, left_id as join_key_l, right_id as join_key_r from {pairs}"
    )
    with engine.quiet():
        linker = engine.linker(opened, settings, "prepared")
        linker.table_management.register_blocked_pairs_for_predict(linker._db_api.register("blocked"))
        predicted = linker.inference.predict(threshold_match_weight=least_weight, warning_mode="never")
        result = opened.execute(
            f"""
            select
                predicted.node_id_l as left_id,
                predicted.node_id_r as right_id,
                predicted.match_weight,
                predicted.match_probability,
                {detail} as detail
            from {predicted.physical_name} as predicted
            join prepared as l on l.node_id = predicted.node_id_l
            join prepared as r on r.node_id = predicted.node_id_r
            order by left_id, right_id
            """
        ).to_arrow_table()
        predicted.drop_table_from_database_and_remove_from_cache()
        opened.execute("drop table blocked")
    return result.cast(SCHEMA)


def _detail(settings: dict[str, Any]) -> str:
    """An expression that says for each comparison which level a pair reached, and the bits it gave: `email exact
    +12.3`.

    Splink keeps the bits, and keeps levels only together with the values themselves; so levels are worked out again
    here.
    """
    parts = []
    for comparison in settings["comparisons"]:
        name = comparison["output_column_name"]
        missing, *levels, rest = comparison["comparison_levels"]
        cases = "".join(
            f" when {of_records(level['sql_condition'])} then '{level['label_for_charts']}'" for level in levels
        )
        has_terms = any("tf_adjustment_column" in level for level in levels)
        bits = f"predicted.mw_{name}" + (f" + predicted.mw_tf_adj_{name}" if has_terms else "")
        parts.append(
            f"case when not coalesce({of_records(missing['sql_condition'])}, false)"
            f" then '{name} ' || case{cases} else '{rest['label_for_charts']}' end"
            f" || printf(' %+.1f', {bits}) end"
        )
    return f"concat_ws(', ', {', '.join(parts)})"


def block(opened: duckdb.DuckDBPyConnection, model: Model, seeds: str = "keys") -> int:
    """Table `pairs` by the rules of the model; the number of pairs. `seeds` names the keys of the new records."""
    names = {key.name: place for place, key in enumerate(blocking.keys_for(model.columns))}
    opened.execute("create or replace table found (left_id bigint, right_id bigint)")
    for rule in model.rules:
        stopped = None
        if rule.stopped:
            opened.register("stopped", pa.table({"digest": rule.stopped}))
            stopped = "stopped"
        opened.execute(f"insert into found {blocking.pairs_sql([names[key] for key in rule.keys], seeds, stopped)}")
        if rule.stopped:
            opened.unregister("stopped")
    opened.execute("create or replace table pairs as select distinct left_id, right_id from found")
    opened.execute("drop table found")
    row = opened.execute("select count(*) from pairs").fetchone()
    return int(row[0]) if row else 0


def empty() -> pa.Table:
    """No pairs."""
    return SCHEMA.empty_table()


def score(
    model: Model,
    records: pa.Table,
    new: Iterable[int] | None = None,
    *,
    threads: int = 2,
    memory: str | None = None,
) -> pa.Table:
    """Pairs of records that may be one person, by a frozen model: left_id < right_id, in their order.

    `match_weight` is in bits (log2 of the odds), `detail` says which level each comparison reached and holds no
    values. With `new`, only pairs with at least one of those node ids: the pairs of all records are those of each
    batch against what was there.
    """
    if not model.rules or records.num_rows < 2:
        return empty()
    with engine.connection(threads, memory) as opened:
        opened.register("records", records)
        prepare(opened, model.columns, model.frequencies, model.facts["records"])
        opened.unregister("records")
        blocking.create_keys(opened, blocking.keys_for(model.columns))
        seeds = "keys"
        if new is not None:
            wanted = pa.table({"node_id": pa.array(np.fromiter(new, dtype=np.int64))})
            opened.register("wanted", wanted)
            opened.execute("create table new_keys as select * from keys semi join wanted using (node_id)")
            seeds = "new_keys"
        if block(opened, model, seeds) == 0:
            return empty()
        opened.execute("drop table keys")
        return score_pairs(opened, model.settings, "pairs", least_weight=LEAST_WEIGHT, with_detail=True)
