"""The syncs as Dagster assets: one per sync model, behind the last gate."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from kinship.manifest import load_manifest
from kinship.settings import settings
from orchestration.layers import WRITER
from reverse_etl.config import Sync, load_syncs
from reverse_etl.engine import RunResult, run_sync
from reverse_etl.errors import ConfigurationError, GuardError, LockedError


def _metadata(result: RunResult) -> dict[str, dg.MetadataValue]:
    """What the sync's page shows: counts, no rows."""
    numbers = {
        "added": result.added,
        "changed": result.changed,
        "removed": result.removed,
        "refused": sum(result.refused.values()),
        "withheld": sum(result.withheld.values()),
        "left": result.left,
        "unchanged": result.unchanged,
        "calls": result.calls,
    }
    metadata: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(number) for name, number in numbers.items()}
    metadata["seconds"] = dg.MetadataValue.float(round(result.seconds, 3))
    metadata["status"] = dg.MetadataValue.text(result.status)
    if result.refused:
        metadata["refused by reason"] = dg.MetadataValue.json(result.refused)
    if result.withheld:
        metadata["withheld by reason"] = dg.MetadataValue.json(result.withheld)
    if result.message:
        metadata["message"] = dg.MetadataValue.text(result.message)
    return metadata


def _sync_asset(sync: Sync) -> dg.AssetsDefinition:
    @dg.asset(
        key=["reverse_etl", sync.name],
        deps=[dg.AssetKey([sync.schema_name, sync.table])],
        group_name="reverse_etl",
        description=f"{sync.object} at {sync.destination}, matched by {sync.key}: sends what differs.",
        owners=[sync.owner] if "@" in sync.owner else None,
        kinds={sync.destination},
        tags={"purpose": sync.purpose, "mode": sync.mode},
        check_specs=[
            dg.AssetCheckSpec(
                "accepted",
                asset=["reverse_etl", sync.name],
                description="The destination refused no row and left none.",
            )
        ],
        retry_policy=dg.RetryPolicy(
            max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
        ),
        pool=WRITER,
    )
    def send(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        try:
            result = run_sync(sync, settings())
        except GuardError as error:
            raise dg.Failure(str(error), metadata={"exit_code": 3}, allow_retries=False) from error
        except ConfigurationError as error:
            raise dg.Failure(str(error), metadata={"exit_code": 2}, allow_retries=False) from error
        except LockedError as error:
            raise dg.Failure(str(error), allow_retries=True) from error
        if result.status == "incomplete":
            # what was accepted is in the ledger; a retry sends the rest
            raise dg.Failure(result.message, metadata=_metadata(result), allow_retries=True)
        yield dg.MaterializeResult(metadata=_metadata(result))
        refused = sum(result.refused.values())
        yield dg.AssetCheckResult(
            check_name="accepted",
            passed=refused == 0 and (result.left == 0 or result.status == "not_configured"),
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{refused} rows refused, {result.left} left for the next run",
            metadata={"refused": refused, "left": result.left},
        )

    return send


def sync_assets() -> list[dg.AssetsDefinition]:
    """One asset per model with a `sync` block. Raises ConfigurationError naming the file and the key that is wrong."""
    return [_sync_asset(sync) for sync in load_syncs(load_manifest())]
