"""When the pipeline runs by itself. Everything here starts switched off: `make dev` does nothing unasked."""

import hashlib
import json
import time
from collections.abc import Sequence

import dagster as dg

from orchestration.extract import sources
from orchestration.extract.ways import way
from orchestration.layers import REBUILD_TAG
from orchestration.publishing import SYNC_RESULTS
from orchestration.writing import BUILDS

QUIET_SECONDS = 5  # a file younger than this may still be growing

pipeline = dg.define_asset_job(
    "pipeline",
    selection=dg.AssetSelection.all(),
    description="Everything: extract, build what changed, check, publish, and send what differs.",
    tags=BUILDS,
)
extract = dg.define_asset_job(
    "extract",
    selection=dg.AssetSelection.groups("extract"),
    description="Takes in new and changed files of every source, and checks them.",
    tags=BUILDS,
)
sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.groups("reverse_etl") | dg.AssetSelection.assets(SYNC_RESULTS),
    description="Sends every destination what differs from what it has accepted, and publishes what it said.",
    tags=BUILDS,
)

hourly = dg.ScheduleDefinition(
    name="hourly",
    job=pipeline,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    description="Takes in what is new and carries it through; an hour without news costs seconds.",
)
nightly = dg.ScheduleDefinition(
    name="nightly",
    job=pipeline,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    tags={REBUILD_TAG: "true"},
    description="Builds everything anew from raw and evaluates every check: no increment's error outlives a day.",
)


def look(names: Sequence[str]) -> tuple[dict[str, list[int]], float]:
    """By source: files, bytes, newest change (ns), by stat alone; and the age in seconds of the newest of all."""
    seen: dict[str, list[int]] = {}
    newest = 0
    for source in names:
        chosen = way(sources()[source])
        if chosen.fetch:
            continue  # what is new there shows only when it is asked
        path = chosen.path
        found = [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        stats = [file.stat() for file in found]
        if stats:
            latest = max(stat.st_mtime_ns for stat in stats)
            newest = max(newest, latest)
            seen[source] = [len(stats), sum(stat.st_size for stat in stats), latest]
    return seen, time.time() - newest / 1e9


def new_files() -> dg.SensorDefinition:
    """A sensor that starts the pipeline when a source's files have changed and the folder has come to rest."""

    @dg.sensor(
        name="new_files",
        job=pipeline,
        minimum_interval_seconds=15,
        description="Starts the pipeline when a source's files have changed and have been at rest for some seconds.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen, age = look(list(sources()))
        cursor = json.dumps(seen, sort_keys=True)
        if cursor == (context.cursor or "{}"):
            return dg.SkipReason("no file has changed")
        if age < QUIET_SECONDS:
            return dg.SkipReason("files are still arriving")
        before = json.loads(context.cursor or "{}")
        changed = sorted(source for source in {*seen, *before} if seen.get(source) != before.get(source))
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=hashlib.sha256(cursor.encode()).hexdigest(), tags={"kinship/changed": ",".join(changed)}
                )
            ],
            cursor=cursor,
        )

    return watch
