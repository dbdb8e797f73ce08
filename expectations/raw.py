"""The boundary where other people's data comes in: a source that fell silent, or sends rubbish, stops the run here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from expectations.suites import Baseline, Suite
from kinship.warehouse import raw_sources

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

MAX_QUARANTINED_SHARE = 0.05  # of a table's records
WARN_QUARANTINED_SHARE = 0.01
MIN_QUARANTINED = 20  # fewer than this say nothing about a table


def tables(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """One row per raw table: records taken in from current files, records in quarantine, and how that compares."""
    parts = [
        f"""
        select
            'raw_{source}.' || files.table_name as asset,
            coalesce(sum(files.rows) filter (where files.is_current), 0)::bigint as records,
            coalesce(sum(files.quarantined) filter (where files.is_current), 0)::bigint as quarantined,
            count(*) filter (where files.is_current) as files,
        from raw_{source}.extracted_files as files
        group by files.table_name
        """  # noqa: S608
        for source in raw_sources(connection)
    ]
    frame = connection.sql(
        f"""
        select *, case when quarantined < {MIN_QUARANTINED} then 0 else quarantined / (records + quarantined) end
            as quarantined_share
        from ({" union all ".join(parts)}) order by asset
        """  # noqa: S608
    ).df()
    frame["fell_silent"] = [
        records == 0 and baseline.get(asset, {}).get("records", 0) > 0
        for asset, records in zip(frame["asset"], frame["records"], strict=True)
    ]
    return frame


def expectations() -> "Sequence[Expectation]":
    """What must hold for every raw table."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="fell_silent",
            value_set=[False],
            severity="critical",
            description="a table that had records still has some",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="quarantined_share",
            max_value=MAX_QUARANTINED_SHARE,
            severity="critical",
            description=f"at most {MAX_QUARANTINED_SHARE:.0%} of the records are in quarantine",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="quarantined_share",
            max_value=WARN_QUARANTINED_SHARE,
            severity="warning",
            description=f"at most {WARN_QUARANTINED_SHARE:.0%} of the records are in quarantine",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="records", min_value=1, severity="warning", description="there are records"
        ),
    ]


SUITES = [Suite("raw", tables, expectations)]
