"""Compares records by the model of likeness on the cluster: Splink in every task, on the records of its buckets."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kinship.identity.likeness import SCHEMA, current_model, trained
from kinship.identity.matching import Model
from kinship.identity.matching.buckets import score_bucket, with_digests

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

AT_ONCE = 50_000
"""Records per bucket, in the mean over all rules. A bucket is held by one task, and so are its pairs, 75 per record at
most."""

MEMORY = "1GB"
"""What DuckDB may take in a task before it spills."""

SCORED = "left_id bigint, left_hash string, right_id bigint, right_hash string, match_weight double, detail string"


def compare(attributes: "DataFrame", nodes: "DataFrame", scored: "DataFrame | None") -> "DataFrame":
    """What `kinship.identity.likeness.compare` returns, from and as DataFrames.

    Training, once in the life of a warehouse, takes place on the driver; scoring does not.
    """
    from pyspark.sql import functions as f

    numbered = nodes.select("node_id", "source", "record_id")
    records = numbered.join(attributes, ["source", "record_id"]).drop("source", "record_id", "changed_at")
    model = current_model() or trained(records.toArrow())
    batch = 1
    if scored is None:
        records = records.withColumn("is_new", f.lit(True))
    else:
        # each batch has a row of every record compared in it
        seen = scored.where("left_id = right_id")
        batch += seen.agg(f.max("scored_in")).first()[0] or 0
        compared = seen.where(f.col("model_version") == model.version).select(
            f.col("left_id").alias("node_id"), f.col("left_hash").alias("attributes_hash"), f.lit(True).alias("known")
        )
        records = records.join(compared.distinct(), ["node_id", "attributes_hash"], "left")
        records = records.withColumn("is_new", f.isnull("known")).drop("known")
    new = records.where("is_new")
    alone = new.selectExpr(
        "node_id as left_id", "attributes_hash as left_hash", "node_id as right_id", "attributes_hash as right_hash",
        "0d as match_weight", "cast(null as string) as detail",
    )  # fmt: skip
    rows = alone if not new.take(1) else alone.unionAll(_pairs(model, records, is_whole=scored is None))
    return rows.select(
        "*",
        f.lit(model.version).alias("model_version"),
        f.lit(model.largest).cast("int").alias("largest_component"),
        f.lit(batch).cast("bigint").alias("scored_in"),
    ).select(*SCHEMA.names)


def _pairs(model: Model, records: "DataFrame", *, is_whole: bool) -> "DataFrame":
    """Pairs with at least one new record, `SCORED`. Unless all are new, only records that share a digest with a new
    one are sent anywhere."""
    from pyspark.sql import functions as f
    from pyspark.sql.types import ArrayType, StringType, StructField, StructType

    buckets = 1 + records.count() // AT_ONCE
    schema = StructType([*records.schema.fields, StructField("digests", ArrayType(StringType()))])
    told = records.mapInArrow(_telling(model), schema)
    digests = told.select("node_id", f.explode("digests").alias("digest"))
    if not is_whole:
        wanted = told.where("is_new").select(f.explode("digests").alias("digest")).distinct()
        digests = digests.join(wanted, "digest", "left_semi")
    meeting = digests.select("node_id", _bucket_of("digest", buckets).alias("bucket")).distinct()
    held = told.join(meeting, "node_id")
    return held.groupBy("bucket").applyInArrow(_scoring(model, buckets), SCORED)


def _bucket_of(digest: str, buckets: int) -> "Column":
    """`kinship.identity.matching.buckets.bucket_of` in Spark's words."""
    from pyspark.sql import functions as f

    return f.expr(f"cast(conv(substr({digest}, 3, 8), 16, 10) as bigint) % {buckets}")


def _telling(model: Model) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if held := list(batches):
            yield from with_digests(model, pa.Table.from_batches(held)).to_batches()

    return tell


def _scoring(model: Model, buckets: int) -> Callable[[tuple[Any, ...], pa.Table], pa.Table]:
    def score(key: tuple[Any, ...], records: pa.Table) -> pa.Table:
        pairs = score_bucket(model, records.drop_columns(["bucket"]), key[0].as_py(), buckets, MEMORY)
        hashes = records.select(["node_id", "attributes_hash"])
        for side in ("left", "right"):
            renamed = hashes.rename_columns([f"{side}_id", f"{side}_hash"])
            pairs = pairs.join(renamed, f"{side}_id", join_type="inner")
        return pairs.select(SCHEMA.names[:6])

    return score
