# ruff: noqa: S608 - the names in these queries come from this package, never from data
"""Scores pairs bucket by bucket, for machines that share no memory.

Records are compared when they share the keys of a rule. Each record gets a digest per rule, and digests are spread over
buckets: what shares a digest meets in its bucket, which can be scored by whoever has its records and the model. All
buckets together are what `score` returns, with no pair twice.
"""

from __future__ import annotations

import pyarrow as pa

from kinship.identity.matching import blocking, engine, scoring
from kinship.identity.matching.levels import LEAST_WEIGHT
from kinship.identity.matching.model import Model


def with_digests(model: Model, records: pa.Table) -> pa.Table:
    """The records and their `digests`, a list: for each rule whose keys a record has, unless too many have the same
    (stopped), the rule's number in two digits and 16 hexadecimal ones of the keys."""
    keys = blocking.keys_for(model.columns)
    places = {key.name: place for place, key in enumerate(keys)}
    with engine.connection(1) as opened:
        opened.register("records", records)
        scoring.prepare(opened, model.columns)
        blocking.create_keys(opened, keys)
        found = ["null::varchar"]
        for number, rule in enumerate(model.rules):
            opened.register(f"stopped_{number}", pa.table({"digest": pa.array(rule.stopped, pa.string())}))
            chosen = [places[key] for key in rule.keys]
            found.append(
                f"case when {blocking.keyed_by(chosen)}"
                f" and {blocking.digest_of(chosen)} not in (select digest from stopped_{number})"
                f" then '{number:02}' || {blocking.digest_of(chosen)} end"
            )
        return opened.execute(
            f"select records.*, list_filter([{', '.join(found)}], one -> one is not null) as digests"
            " from records inner join keys using (node_id)"
        ).to_arrow_table()


def score_bucket(model: Model, records: pa.Table, bucket: int, buckets: int, memory: str | None = None) -> pa.Table:
    """The pairs of one bucket, by a frozen model, as `score` returns them.

    `records`: those with a digest in the bucket, as `with_digests` returns them, and `is_new`: a pair has at least one
    new record. A pair that shares several digests is scored where the first of them lies.
    """
    with engine.connection(1, memory) as opened:
        opened.register("records", records)
        scoring.prepare(opened, model.columns, model.frequencies, model.facts["records"])
        opened.execute("create table held as select node_id, is_new, digests from records")
        opened.unregister("records")
        opened.execute(
            f"""
            create table met as
            select node_id, digest from (select node_id, unnest(digests) as digest from held)
            where {bucket_of("digest", buckets)} = {bucket}
            """
        )
        opened.execute(
            """
            create table pairs as
            select one.node_id as left_id, two.node_id as right_id
            from met as one
            join met as two on one.digest = two.digest and one.node_id < two.node_id
            join held as l on l.node_id = one.node_id
            join held as r on r.node_id = two.node_id
            where (l.is_new or r.is_new) and one.digest = list_min(list_intersect(l.digests, r.digests))
            """
        )
        return scoring.score_pairs(opened, model.settings, "pairs", least_weight=LEAST_WEIGHT, with_detail=True)


def bucket_of(digest: str, buckets: int) -> str:
    """An expression for the bucket of a digest. DuckDB's; `kinship.spark.likeness` has Spark's."""
    return f"('0x' || substr({digest}, 3, 8))::bigint % {buckets}"
