"""Writes `metrics.metric_values` and `metrics.metrics`: every figure that MetricFlow gives, ready to read."""

import duckdb

from kinship.metrics.queries import Query, load_queries

SCHEMA = "metrics"


def write(connection: duckdb.DuckDBPyConnection, source: str, into: str) -> dict[str, int]:
    """Work out all metrics on the warehouse attached as the catalog `source`, as tables of the catalog `into`.

    `metrics.metric_values` has one row per metric, grain (total, day, week, month), period (its first day; NULL in
    total), dimension (NULL: of everything) and value of it (`unknown` where there is none); figures that cannot be told
    have no row. `metrics.metrics` has one row per metric: name, label, description, unit, owner. Returns rows by table.
    """
    found = load_queries()
    values, metrics = (f'"{into}"."{SCHEMA}".{table}' for table in ("metric_values", "metrics"))
    (before,) = connection.execute("select current_catalog()").fetchall()[0]
    connection.execute(f'create schema if not exists "{into}"."{SCHEMA}"')
    connection.execute(
        f"create or replace table {values} (metric_name varchar, grain varchar, period_start date, dimension varchar,"
        " dimension_value varchar, metric_value double)"
    )
    connection.execute(f'use "{source}"')
    try:
        for query in found.queries:
            connection.execute(f"insert into {values} {_rows(query)}")
    finally:
        connection.execute(f'use "{before}"')
    connection.execute(
        f"create or replace table {metrics}"
        " (name varchar, label varchar, description varchar, unit varchar, owner varchar)"
    )
    connection.executemany(
        f"insert into {metrics} values (?, ?, ?, ?, ?)",  # noqa: S608
        [[metric.name, metric.label, metric.description, metric.unit, metric.owner] for metric in found.metrics],
    )
    return {
        f"{SCHEMA}.{table}": int(connection.execute(f"select count(*) from {name}").fetchall()[0][0])  # noqa: S608
        for table, name in (("metric_values", values), ("metrics", metrics))
    }


def _rows(query: Query) -> str:
    """A query's figures as rows of `metric_values`. UNPIVOT leaves NULLs out."""
    columns = ", ".join(f"cast({name} as double) as {name}" for name in query.metrics)
    period = f"cast({query.period} as date)" if query.period else "cast(null as date)"
    dimension = f"'{query.dimension}'" if query.dimension else "null"
    value = f"coalesce(cast({query.dimension} as varchar), 'unknown')" if query.dimension else "null"
    return f"""
        select metric_name, '{query.grain}', period_start, {dimension}, dimension_value, metric_value
        from (
            unpivot (
                select {period} as period_start, {value} as dimension_value, {columns}
                from ({query.sql})
                {f"where {query.period} is not null" if query.period else ""}
            )
            on {", ".join(query.metrics)}
            into name metric_name value metric_value
        )
        order by all
    """  # noqa: S608
