"""MetricFlow's SQL for all metrics: one query for each grain and dimension, kept until the definitions change.

MetricFlow takes seconds to start and to write this SQL, which depends on the definitions alone, not on any data.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kinship.errors import KinshipError
from kinship.manifest import semantic_manifest_path
from kinship.settings import settings

if TYPE_CHECKING:
    from metricflow.engine.metricflow_engine import MetricFlowEngine

GRAINS = ("total", "day", "week", "month")


class Metric(BaseModel):
    """What a metric is called, says and counts in, and who answers for it."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    description: str
    unit: str
    owner: str


class Query(BaseModel):
    """One SELECT with a column per metric, beside them the first day of each period and the value of the dimension.

    `period` and `dimension` name these columns; None is of all time, and of everything. Tables are named
    `<schema>.<table>`: they are those of the current catalog.
    """

    model_config = ConfigDict(frozen=True)

    grain: str
    period: str | None
    dimension: str | None
    metrics: tuple[str, ...]
    sql: str


class Queries(BaseModel):
    """All metrics and the queries that work them out, with the digest of what they were made from."""

    model_config = ConfigDict(frozen=True)

    made_from: str
    metrics: tuple[Metric, ...]
    queries: tuple[Query, ...]


def load_queries() -> Queries:
    """The queries of the project as it is now. Raises `KinshipError` for a metric without a unit or an owner."""
    text = semantic_manifest_path().read_text()
    made_from = hashlib.sha256(
        "\0".join([text, version("metricflow"), Path(__file__).read_text()]).encode()
    ).hexdigest()
    kept = settings().state / "dbt" / "metrics" / "queries.json"
    try:
        found = Queries.model_validate_json(kept.read_text())
        if found.made_from == made_from:
            return found
    except (FileNotFoundError, ValidationError):
        pass
    made = _make(json.loads(text), made_from)
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".new")
    draft.write_text(made.model_dump_json())
    draft.replace(kept)
    return made


def dimensions(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """What metrics are told by, each with the semantic models that have it.

    These are the foreign entities that no semantic model is about, as `country`: one name wherever it occurs.
    """
    entities = [(model["name"], entity) for model in manifest["semantic_models"] for entity in model["entities"]]
    subjects = {entity["name"] for _, entity in entities if entity["type"] in ("primary", "unique", "natural")}
    found: dict[str, set[str]] = {}
    for model, entity in entities:
        if entity["name"] not in subjects:
            found.setdefault(entity["name"], set()).add(model)
    return found


def _make(manifest: dict[str, Any], made_from: str) -> Queries:
    metrics = tuple(_metric(metric) for metric in manifest["metrics"])
    names = [metric.name for metric in metrics]
    engine = _engine(manifest)
    told_by = {name: {entity.name for entity in engine.entities_for_metrics([name])} for name in names}
    queries = [
        _query(engine, grain, dimension, chosen)
        for dimension in (None, *dimensions(manifest))
        if (chosen := [name for name in names if dimension is None or dimension in told_by[name]])
        for grain in GRAINS
    ]
    return Queries(made_from=made_from, metrics=metrics, queries=tuple(queries))


def _metric(metric: dict[str, Any]) -> Metric:
    meta = metric["config"].get("meta", {})
    missing = [f"`{key}`" for key in ("unit", "owner") if not isinstance(meta.get(key), str)]
    if missing:
        raise KinshipError(
            f"metric {metric['name']} (models/metrics): write {' and '.join(missing)} into its `config: {{meta: ...}}`"
        )
    return Metric(
        name=metric["name"],
        label=metric["label"],
        description=metric["description"].strip(),
        unit=meta["unit"],
        owner=meta["owner"],
    )


def _query(engine: "MetricFlowEngine", grain: str, dimension: str | None, metrics: list[str]) -> Query:
    from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

    period = None if grain == "total" else f"metric_time__{grain}"
    request = MetricFlowQueryRequest.create(
        metric_names=metrics, group_by_names=[name for name in (period, dimension) if name]
    )
    sql = engine.explain(request).sql_statement.without_descriptions.sql
    return Query(grain=grain, period=period, dimension=dimension, metrics=tuple(metrics), sql=sql)


def _engine(manifest: dict[str, Any]) -> "MetricFlowEngine":
    """MetricFlow's engine without a connection: it only writes SQL, in DuckDB's words, whatever builds the tables."""
    from metricflow.engine.metricflow_engine import MetricFlowEngine
    from metricflow.protocols.sql_client import SqlClient, SqlEngine
    from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    class WritesOnly:
        sql_engine_type = SqlEngine.DUCKDB
        sql_plan_renderer = DuckDbSqlPlanRenderer()

    spines = manifest["project_configuration"]["time_spines"]
    for model in [*manifest["semantic_models"], *spines]:
        relation = model["node_relation"]
        relation["relation_name"] = f'"{relation["schema_name"]}"."{relation["alias"]}"'
    client: SqlClient = WritesOnly()  # type: ignore[assignment]
    lookup = SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(json.dumps(manifest)))
    return MetricFlowEngine(lookup, client)
