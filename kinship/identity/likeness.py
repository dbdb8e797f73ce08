"""Compares records by the model of likeness that is kept beside the warehouse; trains one when there is none."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from kinship.identity.matching import Model, score, train
from kinship.settings import settings

SCHEMA = pa.schema(
    [
        ("left_id", pa.int64()),
        ("left_hash", pa.string()),
        ("right_id", pa.int64()),
        ("right_hash", pa.string()),
        ("match_weight", pa.float64()),
        ("detail", pa.string()),
        ("model_version", pa.string()),
        ("largest_component", pa.int32()),
        ("scored_in", pa.int64()),
    ]
)


def folder() -> Path:
    """Where models are kept, one folder per version, and `current` with the version in use."""
    return settings().state / "identity"


def current_model() -> Model | None:
    """The model in use, or None when none has been trained for this warehouse."""
    pointer = folder() / "current"
    return Model.load(folder() / pointer.read_text().strip()) if pointer.exists() else None


def keep(model: Model) -> None:
    """Save a model and put it to use. The one before it stays, for what was said with it."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    target, written = home / model.version, home / f".{model.version}"
    if not target.exists():
        shutil.rmtree(written, ignore_errors=True)
        model.save(written)
        written.rename(target)
    pointer = home / ".current"
    pointer.write_text(model.version)
    pointer.replace(home / "current")


def trained(records: pa.Table) -> Model:
    """A model for these records, put to use."""
    model = train(records)
    keep(model)
    return model


def compare(attributes: Any, nodes: Any, scored: Any) -> pa.Table:
    """Scores of the records that have not been compared yet, with all records; schema `SCHEMA`.

    Tables are relations of DuckDB: `attributes` and `nodes` the models `int_identity__record_attributes` and
    `int_identity__nodes`, `scored` what this function has returned so far. On Spark, `kinship.spark.likeness`.
    """
    records = with_node_ids(attributes, nodes)
    model = current_model() or trained(records)
    version, batch, new = model.version, 1, None
    if scored is not None:
        # each batch has a row of every record compared in it
        columns = ("left_id", "left_hash", "model_version", "scored_in")
        seen = scored.filter("left_id = right_id").select(*columns).to_arrow_table()
        batch = 1 + (pc.max(seen["scored_in"]).as_py() or 0)
        compared = seen.filter(pc.equal(seen["model_version"], version)).select(["left_id", "left_hash"])
        said = records.select(["node_id", "attributes_hash"])
        new = said.join(compared, ["node_id", "attributes_hash"], ["left_id", "left_hash"], "left anti")["node_id"]
        if len(new) == 0:
            return SCHEMA.empty_table()
    pairs = score(model, records, new)
    return _rows(records, records["node_id"] if new is None else new, pairs, (version, model.largest, batch))


def with_node_ids(attributes: Any, nodes: Any) -> pa.Table:
    """The records' attributes under their numbers."""
    with duckdb.connect() as connection:
        connection.register("attributes", attributes.to_arrow_table())
        connection.register("nodes", nodes.to_arrow_table())
        return connection.sql(
            "select nodes.node_id, attributes.* exclude (source, record_id, changed_at)"
            " from attributes inner join nodes using (source, record_id)"
        ).to_arrow_table()


def _rows(records: pa.Table, compared: pa.ChunkedArray, pairs: pa.Table, judged_by: tuple[str, int, int]) -> pa.Table:
    """Pairs and, for each record compared, a row with itself; both with what the records said.

    `judged_by`: version of the model, its largest component, number of the batch.
    """
    version, largest, batch = judged_by
    ids = records["node_id"].combine_chunks()
    hashes = records["attributes_hash"].combine_chunks()

    def said(of: pa.ChunkedArray) -> pa.Array:
        return hashes.take(pc.index_in(of, value_set=ids))

    left = pa.chunked_array([*compared.chunks, *pairs["left_id"].chunks], pa.int64())
    right = pa.chunked_array([*compared.chunks, *pairs["right_id"].chunks], pa.int64())
    alone = len(compared)
    weights = pa.chunked_array([pa.array([0.0] * alone, pa.float64()), *pairs["match_weight"].chunks], pa.float64())
    details = pa.chunked_array([pa.nulls(alone, pa.string()), *pairs["detail"].cast(pa.string()).chunks], pa.string())
    count = len(left)
    columns = [
        left,
        said(left),
        right,
        said(right),
        weights,
        details,
        pa.repeat(pa.scalar(version, pa.string()), count),
        pa.repeat(pa.scalar(largest, pa.int32()), count),
        pa.repeat(pa.scalar(batch, pa.int64()), count),
    ]
    return pa.table(columns, schema=SCHEMA)
