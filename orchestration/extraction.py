"""The sources as Dagster assets: one op per source, one asset per raw table."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from kinship.settings import settings
from orchestration.extract.tables import Source, sources
from orchestration.layers import WRITER

# A source that hands over files each day is late after a day and a half.
FRESH = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=36))
RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
LEDGER = "extracted_files"


def raw_tables() -> list[str]:
    """Every raw table, as `raw_<source>.<table>`."""
    return [f"raw_{source.name}.{table}" for source in sources().values() for table in source.tables]


def _specs(source: Source) -> list[dg.AssetSpec]:
    descriptions = {name: table.description for name, table in source.tables.items()}
    descriptions[LEDGER] = "One row per part of a file that has been read: its version, rows, and records set aside."
    return [
        dg.AssetSpec(
            ["raw_" + source.name, name],
            group_name="extract",
            description=description,
            kinds={"dlt", "duckdb"},
            freshness_policy=FRESH,
            tags={"source": source.name},
        )
        for name, description in descriptions.items()
    ]


def extract_assets() -> list[dg.AssetSpec]:
    return [spec for source in sources().values() for spec in _specs(source)]
