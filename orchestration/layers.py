"""The dbt models as Dagster assets: one op per stretch between two gates, as a check stops only the ops after it."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from kinship import builds, quality
from kinship.manifest import dbt_executable, load_manifest, target_folder
from kinship.segments.header import header, is_segment
from kinship.settings import ROOT, settings
from kinship.warehouse import connect
from kinship.writing import Turn

REBUILD_TAG = "kinship/rebuild"  # a run with it builds every table and evaluates every check, changed or not

# What each op builds. A gate of expectations stands after each (orchestration/gates.py).
STRETCHES = {
    "people": (
        "seeds",
        "dbt_project/snapshots",
        "models/staging",
        "models/identity",
        "models/customers",
        "models/predictions",
    ),
    "segments": ("models/segments",),
    "activation": ("models/activation", "models/metrics", "models/reporting"),
}


class LayerTranslator(DagsterDbtTranslator):
    """Names assets as the warehouse does, `<schema>.<table>`, and groups them by their folder, which is their layer."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        if dbt_resource_props["resource_type"] == "source":
            return "extract"
        return str(dbt_resource_props["fqn"][1])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        if is_segment(dbt_resource_props):
            return header(dbt_resource_props).what
        return str(dbt_resource_props.get("description", ""))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        if is_segment(dbt_resource_props):
            return [header(dbt_resource_props).owner]
        meta = dbt_resource_props.get("config", {}).get("meta", {})
        owner = meta.get("owner") or meta.get("sync", {}).get("owner")
        return [owner] if owner else None


def dbt_resource() -> DbtCliResource:
    """This environment's dbt, on the project at the root."""
    return DbtCliResource(
        project_dir=str(ROOT), profiles_dir=str(ROOT), target=settings().target, dbt_executable=dbt_executable()
    )


def _stretch(name: str, paths: Sequence[str]) -> dg.AssetsDefinition:
    @dbt_assets(
        manifest=load_manifest(),
        select=" ".join(f"path:{path}" for path in paths),
        name=name,
        dagster_dbt_translator=LayerTranslator(),
    )
    def build(context: dg.AssetExecutionContext, dbt: DbtCliResource, writer: dg.ResourceParam[Turn]) -> Iterator[Any]:
        writer.take(context.log.info)
        rebuild = REBUILD_TAG in context.run.tags
        with connect(read_only=False) as warehouse:
            since = None if rebuild else builds.unchanged_since(warehouse)
            if since is None and name == "people":
                builds.begin(warehouse, context.run_id)
                quality.save_columns(warehouse)
        if since is not None:
            reason = f"nothing new since {since:%Y-%m-%d %H:%M:%S} UTC"
            for key in TopologicalSorter(context.assets_def.asset_deps).static_order():
                if key in context.selected_asset_keys:
                    yield dg.MaterializeResult(asset_key=key, metadata={"rebuilt": False, "reason": reason})
            return
        arguments = [
            "build",
            # a test that also reads a later layer waits for the op that builds it
            *("--indirect-selection", "buildable"),
            # unit tests judge the code, not the data: `make test` runs them
            *("--exclude-resource-type", "unit_test"),
            # dbt's log file would quote the values an error is about
            *("--log-level-file", "none"),
            *(["--full-refresh"] if rebuild else []),
        ]
        folder = target_folder(name)
        results = folder / "run_results.json"
        results.unlink(missing_ok=True)  # of the run before
        try:
            yield from dbt.cli(arguments, context=context, target_path=folder).stream()
        finally:
            if results.exists():
                with connect(read_only=False) as warehouse:
                    failed = quality.save_tests(warehouse, name, context.run_id, folder, load_manifest())
                if failed:
                    quality.note_stop(settings(), context.run_id, name, failed)

    return build


def layer_assets() -> list[dg.AssetsDefinition]:
    """Staging to activation, in three ops."""
    files = [str(node["original_file_path"]) for node in load_manifest()["nodes"].values()]
    return [
        # dbt warns of every path without a model
        _stretch(name, [path for path in paths if any(file.startswith(f"{path}/") for file in files)])
        for name, paths in STRETCHES.items()
    ]
