"""The boundary where other people's data comes in: a source that fell silent, or sends rubbish, stops the run here."""

from typing import TYPE_CHECKING

import duckdb

from expectations.suites import Baseline, Suite, expect
from kinship.warehouse import raw_sources

if TYPE_CHECKING:
    import pandas as pd

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


EXPECTATIONS = (
    # What must hold for every raw table.
    expect(
        "values_to_be_in_set",
        "fell_silent",
        "a table that had records still has some",
        critical=True,
        value_set=[False],
    ),
    expect(
        "values_to_be_between",
        "quarantined_share",
        f"at most {MAX_QUARANTINED_SHARE:.0%} of the records are in quarantine",
        critical=True,
        max_value=MAX_QUARANTINED_SHARE,
    ),
    expect(
        "values_to_be_between",
        "quarantined_share",
        f"at most {WARN_QUARANTINED_SHARE:.0%} of the records are in quarantine",
        max_value=WARN_QUARANTINED_SHARE,
    ),
    expect("values_to_be_between", "records", "there are records", min_value=1),
)


SUITES = [Suite("raw", tables, EXPECTATIONS)]
