"""A job of its own for each source, at its own pace, and one that fetches past days of a live source again."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from kinship.errors import WrongUse
from kinship.quality import LATE_AFTER, OVERDUE_AFTER
from kinship.writing import Turn
from orchestration.extract import ExtractError, Source, extract, sources
from orchestration.extract.live import Span
from orchestration.writing import WRITING

HOURLY = "15 * * * *"  # after the pipeline, which takes in every source on the hour
FIRST_DAY = "2015-01-01"
SOURCE = "source"  # the tag of runs of one source, of which one at a time is under way (dagster.yaml)


def freshness(source: str) -> dg.FreshnessPolicy:
    """When a source's tables are late: after `KINSHIP_<SOURCE>_LATE_HOURS`, and overdue after half as long again.

    Raises WrongUse for what is no number of hours.
    """
    variable = f"KINSHIP_{source.upper()}_LATE_HOURS"
    if not (text := os.environ.get(variable, "").strip()):
        return dg.FreshnessPolicy.time_window(warn_window=LATE_AFTER, fail_window=OVERDUE_AFTER)
    try:
        late = timedelta(hours=float(text))
        if late < timedelta(minutes=1):
            raise ValueError
    except (ValueError, OverflowError):
        raise WrongUse(f"{variable} is {text!r}: expected hours, at least a minute of them") from None
    return dg.FreshnessPolicy.time_window(warn_window=late, fail_window=late * 1.5)


def source_schedules() -> list[dg.ScheduleDefinition]:
    """One job per source, on its schedule: `KINSHIP_<SOURCE>_SCHEDULE` as cron, in UTC; off until switched on.

    Different sources are fetched at the same time, and loaded one after another. Raises WrongUse naming the variable
    that is no cron.
    """
    return [_schedule(source) for source in sources().values()]


def _schedule(source: Source) -> dg.ScheduleDefinition:
    variable = f"KINSHIP_{source.name.upper()}_SCHEDULE"
    cron = os.environ.get(variable, "").strip() or HOURLY
    tables = (["raw_" + source.name, table] for table in (*source.tables, "extracted_files"))
    job = dg.define_asset_job(
        f"source_{source.name}",
        selection=dg.AssetSelection.assets(*tables).without_checks(),  # the raw gate looks at all sources at once
        description=f"Takes in what is new in {source.name}, and nothing else.",
        tags={SOURCE: source.name},
    )
    try:
        return dg.ScheduleDefinition(
            name=job.name, job=job, cron_schedule=cron, execution_timezone="UTC", description=job.description
        )
    except dg.DagsterInvalidDefinitionError:
        raise WrongUse(f"{variable} is {cron!r}: expected cron, like '*/10 * * * *'") from None


def backfill_jobs() -> list[dg.JobDefinition]:
    """One job, by day, for each source that has a live API: it fetches what changed on that day again."""
    return [_backfill(source) for source in sources().values() if any(table.live for table in source.tables.values())]


def _backfill(source: Source) -> dg.JobDefinition:
    name = f"fetch_again_{source.name}"

    @dg.daily_partitioned_config(start_date=FIRST_DAY)
    def one_day(start: datetime, end: datetime) -> Mapping[str, Any]:
        return {"ops": {name: {"config": {"since": start.isoformat(), "until": end.isoformat()}}}}

    @dg.op(name=name, config_schema={"since": str, "until": str}, out=dg.Out(dg.Nothing))
    def fetch_again(context: dg.OpExecutionContext, writer: dg.ResourceParam[Turn]) -> None:
        since, until = (_microseconds(context.op_config[end]) for end in ("since", "until"))
        try:
            result = extract(
                source.name,
                Span(since, until),
                turn=writer,
                busy="wait",
                tell=context.log.info,
            )
        except ExtractError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        for note in result.notes:
            context.log.warning(note)
        context.log.info(f"{sum(result.rows.values()):,} rows that were not there")

    @dg.job(
        name=f"backfill_{source.name}",
        config=one_day,
        resource_defs=WRITING,
        description=f"Fetches what changed in {source.name} on a day again, and leaves its cursors as they are.",
        tags={SOURCE: source.name},
    )
    def backfill() -> None:
        fetch_again()

    return backfill


def _microseconds(moment: str) -> int:
    """Microseconds since 1970 of a time in ISO 8601."""
    return (datetime.fromisoformat(moment).astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
