"""Table maintenance of the lake as a job of its own: once a day is enough, and no run writes meanwhile."""

import dagster as dg

from kinship.errors import KinshipError
from kinship.settings import settings
from kinship.writing import Turn
from orchestration.writing import BUILDS, WRITING


@dg.op(
    name="maintenance",
    out=dg.Out(int, description="Data files that were deleted."),
    description="Compacts tables of many small files, and deletes files that no version of the last seven days needs.",
)
def maintain_lake(context: dg.OpExecutionContext, writer: dg.ResourceParam[Turn]) -> dg.Output[int]:
    """One op for all tables, one line of its log for each that had need of it."""
    from kinship.spark.maintenance import maintain

    writer.take(context.log.info)
    tables = before = after = deleted = 0
    try:
        for done in maintain():
            tables, before, after, deleted = (
                tables + 1, before + done.before, after + done.after, deleted + done.deleted
            )  # fmt: skip
            if done.before != done.after or done.deleted:
                context.log.info(
                    f"{done.table}: {done.before:,} data files are {done.after:,} now, {done.deleted:,} deleted"
                )
    except KinshipError as error:
        raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=False) from error
    counts = {"tables": tables, "data files before": before, "data files after": after, "files deleted": deleted}
    return dg.Output(deleted, metadata={name: dg.MetadataValue.int(count) for name, count in counts.items()})


@dg.job(
    description="Keeps the lake's tables small and quick to read (docs/scale.md).",
    resource_defs=WRITING,
    tags=BUILDS,
)
def maintenance() -> None:
    """The job `maintenance`, of the target spark."""
    maintain_lake()


def maintenance_jobs() -> list[dg.JobDefinition]:
    """The job on Spark; none on DuckDB, whose file uses again what it has freed."""
    return [maintenance] if settings().target == "spark" else []


def maintenance_schedules() -> list[dg.ScheduleDefinition]:
    """Every night on Spark, once switched on."""
    return [
        dg.ScheduleDefinition(
            name=job.name, job=job, cron_schedule="0 4 * * *", execution_timezone="UTC", description=job.description
        )
        for job in maintenance_jobs()
    ]
