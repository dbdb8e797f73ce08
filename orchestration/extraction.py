"""The sources as Dagster assets: one op per source, one asset per raw table."""

import re
from collections.abc import Iterator
from typing import Any

import dagster as dg

from kinship.quality import LATE_AFTER, OVERDUE_AFTER
from kinship.settings import settings
from kinship.writing import Turn
from orchestration.extract import ExtractError, ExtractResult, Source, extract, sources
from orchestration.source_jobs import SOURCE, freshness

FRESH = dg.FreshnessPolicy.time_window(warn_window=LATE_AFTER, fail_window=OVERDUE_AFTER)
# What a second try may cure: a share that drops out, a file that is being replaced, a server that is down.
RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
LEDGER = "extracted_files"
_PASSING = re.compile("is running|no connection|no answer|does not answer|sftp failed|throttles us|HTTP 5")


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
            kinds={"dlt", "delta" if settings().target == "spark" else "duckdb"},
            freshness_policy=freshness(source.name),
            tags={"source": source.name},
        )
        for name, description in descriptions.items()
    ]


def _metadata(result: ExtractResult, table: str) -> dict[str, dg.MetadataValue]:
    """What a raw table's page shows of one extraction: counts, and no record."""
    reasons = result.quarantined.get(table, {})
    metadata: dict[str, dg.MetadataValue] = {
        "new_rows": dg.MetadataValue.int(result.rows[table]),
        "quarantined": dg.MetadataValue.int(sum(reasons.values())),
        "location": dg.MetadataValue.path(result.location),
    }
    if reasons:
        metadata["quarantined by reason"] = dg.MetadataValue.json(reasons)
    if result.fetched:
        # a table of several APIs is fetched by parts, `campaign_costs_google_ads`
        parts = {name for name in result.fetched.cursors if name == table or name.startswith(f"{table}_")}
        for name in sorted(parts - set(result.rows) | ({table} & parts)):
            of = "" if name == table else f" of {name}"
            for when, cursor in zip(("before", "after"), result.fetched.cursors[name], strict=True):
                metadata[f"cursor{of} {when}"] = dg.MetadataValue.text(cursor or "none")
        failures = {name: told for name, told in result.fetched.failures.items() if name == table or name in parts}
        if failures:
            metadata["not fetched"] = dg.MetadataValue.text("; ".join(failures.values()))
    return metadata


def _line(result: ExtractResult) -> dict[str, dg.MetadataValue]:
    """What the page of a live source's ledger shows of its calls."""
    if not (fetched := result.fetched):
        return {}
    metadata: dict[str, dg.MetadataValue] = {
        "calls": dg.MetadataValue.int(fetched.calls),
        "bytes fetched": dg.MetadataValue.int(fetched.bytes),
        "records fetched": dg.MetadataValue.int(sum(fetched.records.values())),
        "seconds fetching": dg.MetadataValue.float(round(fetched.seconds, 3)),
        "seconds throttled": dg.MetadataValue.float(round(fetched.throttled, 3)),
        "tables not fetched": dg.MetadataValue.int(len(fetched.failures)),
    }
    if fetched.quota_left is not None:
        metadata["calls left"] = dg.MetadataValue.int(fetched.quota_left)
    return metadata


def _extract_asset(source: Source) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"extract_{source.name}",
        description=f"Takes in what is new in {source.name}, exactly once.",
        specs=_specs(source),
        retry_policy=RETRY,
    )
    def take_in(
        context: dg.AssetExecutionContext, writer: dg.ResourceParam[Turn]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        # a run of the source itself waits for its turn to fetch; one of all sources has the others to see to
        is_own = context.run.tags.get(SOURCE) == source.name
        try:
            result = extract(
                source.name,
                turn=writer,
                busy="wait" if is_own else "load",
                tell=context.log.info,
            )
        except ExtractError as error:
            raise dg.Failure(str(error), allow_retries=bool(_PASSING.search(str(error)))) from error
        for note in result.notes:
            context.log.warning(note)
        for ignored in result.ignored:
            context.log.warning(f"{ignored.file} is left aside: {ignored.reason}")
        for table in source.tables:
            yield dg.MaterializeResult(asset_key=["raw_" + source.name, table], metadata=_metadata(result, table))
        yield dg.MaterializeResult(
            asset_key=["raw_" + source.name, LEDGER],
            metadata={
                "files": result.files,
                "bytes": result.bytes,
                "files left aside": len(result.ignored),
                "seconds": round(result.seconds, 3),
                **_line(result),
            },
        )

    return take_in


def extract_assets() -> list[dg.AssetsDefinition]:
    """One op per source of the list in `dbt_project.yml`."""
    return [_extract_asset(source) for source in sources().values()]
