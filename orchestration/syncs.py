"""The syncs as Dagster assets: one per sync model, behind the last gate."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from kinship.manifest import load_manifest
from kinship.settings import settings
from kinship.writing import Turn
from orchestration.extraction import FRESH
from reverse_etl.config import Sync, load_syncs
from reverse_etl.engine import RunResult, run_sync
from reverse_etl.errors import LockedError, SyncError
from reverse_etl.status import SyncStatus, sync_status

RESULTS = "reverse_etl.sync_results"  # the warehouse's table of rows sent, and the answers
CHECKS = {
    "accepted": "The destination refused no row and left none.",
    "moving": "Runs come to their end, and leave nothing behind.",
    "opt_outs": "Whoever unsubscribed at the destination is among the consents (customers.customer_consents).",
}
_WHERE_ROWS_ARE = """Those that wait for another try (with `--retry`, the next run tries them):

```sh
kinship rejected {sync}
```

Every answer so far, with the customer it is about:

```sql
select * from reverse_etl.sync_results
where sync = '{sync}' and outcome = 'rejected'
order by recorded_at desc
```
"""


def _metadata(result: RunResult, state: SyncStatus) -> dict[str, dg.MetadataValue]:
    """What the sync's page shows: counts, classes and where the rows are to be found; no row."""
    refused = sum(result.refused.values())
    accepted = result.added + result.changed + result.removed + result.erased
    numbers = {
        "sent": accepted + refused,
        "accepted": accepted,
        "added": result.added,
        "changed": result.changed,
        "removed": result.removed,
        "erased": result.erased,
        "refused": refused,
        "withheld": sum(result.withheld.values()),
        "left": result.left,
        "unchanged": result.unchanged,
        "at the destination": state.accepted,
        "newly opted out": result.opted_out,
        "opted out": state.opt_outs,
        "calls": result.calls,
    }
    metadata: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(number) for name, number in numbers.items()}
    metadata["seconds"] = dg.MetadataValue.float(round(result.seconds, 3))
    metadata["status"] = dg.MetadataValue.text(result.status)
    if result.plan is not None:
        metadata["plan"] = dg.MetadataValue.json(result.plan.as_json())
    if result.refused:
        metadata["refused by reason"] = dg.MetadataValue.json(result.refused)
    if result.withheld:
        metadata["withheld by reason"] = dg.MetadataValue.json(result.withheld)
    if result.message:
        metadata["message"] = dg.MetadataValue.text(result.message)
    if state.refused:
        metadata["refused and waiting"] = _waiting(state)
        metadata["refused rows"] = dg.MetadataValue.md(_WHERE_ROWS_ARE.format(sync=result.sync))
    return metadata


def _waiting(state: SyncStatus) -> dg.MetadataValue:
    """The refused rows by class, as a table."""
    return dg.MetadataValue.table(
        [dg.TableRecord({"class": name, "rows": count}) for name, count in (state.refused or {}).items()],
        dg.TableSchema(
            [
                dg.TableColumn("class", "string", "Why the destination refused them."),
                dg.TableColumn("rows", "int", "Rows that wait for another try."),
            ]
        ),
    )


def _checks(result: RunResult, state: SyncStatus) -> Iterator[dg.AssetCheckResult]:
    refused = sum(result.refused.values())
    is_off = result.status == "not_configured"
    yield _check(
        "accepted",
        refused == 0 and (result.left == 0 or is_off),
        f"{refused} rows refused, {result.left} left for the next run",
        {"refused": refused, "left": result.left},
    )
    yield _check(
        "moving", state.stalled is None or is_off, state.stalled or "it gets on", {"unsettled": state.unsettled}
    )
    yield _check(
        "opt_outs",
        state.untold_opt_outs == 0,
        f"{state.opt_outs} people unsubscribed there, {state.untold_opt_outs} of them are not among the consents yet",
        {"opt-outs": state.opt_outs, "untold": state.untold_opt_outs},
    )


def _check(name: str, passed: bool, description: str, metadata: Mapping[str, int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=dict(metadata),
    )


def _sync_asset(sync: Sync) -> dg.AssetsDefinition:
    key = ["reverse_etl", sync.name]

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([sync.schema_name, sync.table])],
        group_name="reverse_etl",
        description=f"{sync.object} at {sync.destination}, matched by {sync.key}: sends what differs.",
        owners=[sync.owner] if "@" in sync.owner else None,
        kinds={sync.destination},
        tags={"purpose": sync.purpose, "mode": sync.mode},
        metadata={"dagster/table_name": RESULTS},
        check_specs=[
            dg.AssetCheckSpec(name, asset=key, description=description) for name, description in CHECKS.items()
        ],
        freshness_policy=FRESH,
        retry_policy=dg.RetryPolicy(
            max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
        ),
    )
    def send(
        context: dg.AssetExecutionContext, writer: dg.ResourceParam[Turn]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        writer.take(context.log.info)
        try:
            result = run_sync(sync, settings())
        except LockedError as error:
            raise dg.Failure(str(error), allow_retries=True) from error
        except SyncError as error:
            raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=False) from error
        state = sync_status(sync, settings())
        if result.status == "incomplete":
            # what was accepted is in the ledger; a retry sends the rest
            raise dg.Failure(result.message, metadata=_metadata(result, state), allow_retries=True)
        yield dg.MaterializeResult(metadata=_metadata(result, state))
        yield from _checks(result, state)

    return send


def sync_assets() -> list[dg.AssetsDefinition]:
    """One asset per model with a `sync` block. Raises ConfigurationError naming the file and the key that is wrong."""
    return [_sync_asset(sync) for sync in load_syncs(load_manifest())]
