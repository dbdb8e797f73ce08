"""The expectations as Dagster asset checks, one op per gate. What is critical blocks whatever lies behind the gate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from expectations import activation, customers, identity, predictions, raw, segments, suites
from expectations.suites import Suite
from kinship import builds, quality
from kinship.builds import CheckResult
from kinship.manifest import load_manifest
from kinship.segments.header import headers
from kinship.settings import settings
from kinship.warehouse import connect
from kinship.writing import Turn
from orchestration.layers import REBUILD_TAG


@dataclass(frozen=True)
class Gate:
    """A gate: its name, the suites it evaluates, and the checks (asset, suite) it reports."""

    name: str
    suites: Sequence[Suite]
    checks: Sequence[tuple[str, str]]
    description: str
    is_last: bool = False


def _key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(asset.split("."))


def _report(result: CheckResult) -> dg.AssetCheckResult:
    failed = f"not so: {'; '.join(result.failed)}" if result.failed else f"all {result.expectations} expectations hold"
    return dg.AssetCheckResult(
        asset_key=_key(result.asset),
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=failed,
        metadata={"expectations": result.expectations, "failed": list(result.failed), **result.metadata},
    )


def _gate(gate: Gate) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=gate.name,
        description=gate.description,
        specs=[
            dg.AssetCheckSpec(name=suite, asset=_key(asset), blocking=True, description=gate.description)
            for asset, suite in gate.checks
        ],
        compute_kind="great_expectations",
    )
    def evaluate(
        context: dg.AssetCheckExecutionContext, writer: dg.ResourceParam[Turn]
    ) -> Iterator[dg.AssetCheckResult]:
        writer.take(context.log.info)
        with connect(read_only=False) as warehouse:
            if REBUILD_TAG in context.run.tags or builds.unchanged_since(warehouse) is None:
                results = suites.run(warehouse, gate.suites, builds.baseline(warehouse), context.run.run_id)
                builds.save_checks(warehouse, gate.name, results)
                quality.save_gate(warehouse, context.run.run_id, gate.name, results)
            else:
                results = builds.load_checks(warehouse, gate.name)
            stopping = [r for r in results if not r.passed and r.severity == "error"]
            if gate.is_last and not stopping:
                builds.finish(warehouse, context.run.run_id)
        if stopping:
            said = (f"{r.asset}: {what}" for r in stopping for what in r.failed)
            quality.note_stop(settings(), context.run.run_id, gate.name, said)
        elif gate.is_last:
            quality.forget_stop(settings())
        found = {(result.asset, result.name): result for result in results}
        for asset, suite in gate.checks:
            # a table that never sent a file has no row in the frame, and nothing to hold against it
            yield _report(found.get((asset, suite)) or CheckResult(asset, suite, True, "warning", 0, (), {}))

    return evaluate


def gates(raw_tables: Sequence[str]) -> list[dg.AssetChecksDefinition]:
    """The four gates, in flow order. `raw_tables` are the assets of extraction, as `raw_<source>.<table>`."""
    return [
        _gate(gate)
        for gate in (
            Gate(
                "raw_gate",
                raw.SUITES,
                [(table, "raw") for table in raw_tables],
                "What other systems handed over: none fell silent, few records are in quarantine.",
            ),
            Gate(
                "customers_gate",
                [*identity.SUITES, *customers.SUITES, *predictions.SUITES],
                [
                    (identity.ASSET, "identity"),
                    *((table, "customers") for table in customers.TABLES),
                    ("customers.customers", "profiles"),
                    *((table, "predictions") for table in predictions.TABLES),
                ],
                "People, what they did and may do: who they are, keys, belonging, believable numbers.",
            ),
            Gate(
                "segments_gate",
                segments.SUITES,
                [(f"segments.{one.name}", "segments") for one in headers(load_manifest())],
                "Segments: made of customers, not of everyone at once, and about as many as before.",
            ),
            Gate(
                "activation_gate",
                activation.SUITES,
                [(f"activation.{node['name']}", "activation") for node in activation.sync_models()],
                "What is about to leave the house: keyed, and a customer's.",
                is_last=True,
            ),
        )
    ]
