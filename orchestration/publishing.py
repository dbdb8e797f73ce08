"""The published copies as Dagster assets: the tables behind the last gate, and once more what the syncs then did."""

from typing import Any

import dagster as dg

from kinship.errors import KinshipError, StoppedByGuard, WrongUse
from kinship.manifest import load_manifest
from kinship.metrics.tables import SCHEMA as METRICS
from kinship.published.outputs import is_public
from kinship.published.publishing import Outcome, publish
from kinship.settings import settings
from kinship.writing import Turn
from orchestration.extraction import FRESH

TABLES = dg.AssetKey(["published", "tables"])
SYNC_RESULTS = dg.AssetKey(["published", "sync_results"])


def _metadata(outcome: Outcome) -> dict[str, dg.MetadataValue]:
    shown = outcome.publication
    return {
        "written": dg.MetadataValue.text(outcome.written),
        "folder": dg.MetadataValue.path(str(shown.folder)),
        "as of": dg.MetadataValue.timestamp(shown.as_of),
        "tables": dg.MetadataValue.int(len(shown.rows)),
        "rows": dg.MetadataValue.int(sum(shown.rows.values())),
        "bytes": dg.MetadataValue.int(shown.warehouse.stat().st_size),
        "bytes masked": dg.MetadataValue.int(shown.masked.stat().st_size),
        "pruned": dg.MetadataValue.int(len(outcome.removed)),
        "seconds": dg.MetadataValue.float(round(outcome.seconds, 3)),
    }


def _asset(key: dg.AssetKey, deps: list[dg.AssetKey], description: str, priority: int) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        deps=deps,
        group_name="published",
        description=description,
        kinds={"duckdb"},
        freshness_policy=FRESH,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=10),
        op_tags={"dagster/priority": str(priority)},
    )
    def write(context: dg.AssetExecutionContext, writer: dg.ResourceParam[Turn]) -> dg.MaterializeResult[Any]:
        writer.take(context.log.info)
        try:
            return dg.MaterializeResult(metadata=_metadata(publish(settings())))
        except KinshipError as error:
            # somebody may hold the warehouse for a moment; a guard or a setting says the same again
            again = not isinstance(error, (StoppedByGuard, WrongUse))
            raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=again) from error

    return write


def published_assets() -> list[dg.AssetsDefinition]:
    """The two steps that publish.

    The first comes before the syncs, which may take hours at their destinations' limits. The second depends on no sync,
    as one that failed would keep it from telling so: of all steps it has the lowest priority and is taken last.
    """
    nodes = [node for node in load_manifest()["nodes"].values() if node["resource_type"] in ("model", "snapshot")]
    # nothing of activation is published, but the last gate stands there
    read = [node for node in nodes if is_public(node) or node["schema"] in (METRICS, "activation")]
    return [
        _asset(
            TABLES,
            [dg.AssetKey([node["schema"], node["name"]]) for node in read],
            "The output tables as they are and masked, in a folder of their own (docs/dashboards.md).",
            priority=1,
        ),
        _asset(SYNC_RESULTS, [TABLES], "The same with what the syncs of this run did.", priority=-1),
    ]
