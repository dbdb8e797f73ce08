"""Runs one of Dagster's jobs in this process, in the instance that the UI shows."""

import os
import sys
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console

from kinship.manifest import prepare_manifest
from kinship.progress import RunProgress, RunRecord
from kinship.settings import settings
from kinship.tables import console_for
from kinship.writing import Turn

if TYPE_CHECKING:
    import dagster as dg

PID_TAG = "kinship/pid"
HOST_TAG = "kinship/host"


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    run_id: str
    success: bool
    seconds: float
    record: RunRecord
    unreached: int  # steps that were not run, as something before them failed

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 2 wrong configuration, 3 stopped by a guard; of several, the lowest but 0."""
        if self.success:
            return 0
        codes = {step.exit_code for step in self.record.failed}
        return next((code for code in (1, 2, 3) if code in codes), 1)


def run_job(name: str, console: Console, tags: Mapping[str, str] | None = None) -> Outcome:
    """Run the job to its end and show its steps. `console` must write to a descriptor of its own (see `own_console`).

    Waits while another process writes the warehouse. Raises KinshipError when the project does not parse.
    """
    started = time.monotonic()
    with console.status("reading the project") if console.is_terminal else _nothing():
        prepare_manifest()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # announcements of Dagster's dependencies to their developers
            from orchestration.definitions import defs
            from orchestration.instance import open_instance

            job = defs.resolve_job_def(name)
    with open_instance() as instance:
        clear_dead_runs(instance)
        with Turn("kinship run").held(console.print):
            pass  # the run takes its own turn once it builds
        run_id = str(uuid.uuid4())
        assets = {node.name: len(node.definition.output_dict) for node in job.nodes}
        with RunProgress(console, assets) as progress:
            instance.add_event_listener(run_id, progress)
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                raise_on_error=False,
                tags={PID_TAG: str(os.getpid()), HOST_TAG: os.uname().nodename, **(tags or {})},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    unreached = len(assets) - sum(step.status != "skipped" for step in progress.record.steps.values())
    return Outcome(run_id, result.success, time.monotonic() - started, progress.record, unreached)


def nothing_new_since(console: Console) -> datetime | None:
    """When the tables were last built, if no source has anything new since and nothing they depend on has changed."""
    from kinship import builds
    from kinship.warehouse import connect
    from orchestration.extract import sources
    from orchestration.extract.run import Run

    runs = [Run(source) for source in sources().values()]
    # what is new in a live source shows only when it is asked
    if not settings().warehouse.exists() or any(run.way.fetch for run in runs):
        return None
    with Turn("kinship run").held(console.print):
        if any(run.is_needed for run in runs):
            return None
        with connect() as warehouse:
            return builds.unchanged_since(warehouse)


def prepare_instance() -> None:
    """Make Dagster's home ready for its server: configuration in place, no run of a dead process in the way."""
    from orchestration.instance import open_instance

    with open_instance() as instance:
        clear_dead_runs(instance)


def clear_dead_runs(instance: "dg.DagsterInstance") -> None:
    """Close the books of command-line runs whose process was killed, so that they hold up nobody.

    Dagster's own monitoring looks after the runs it launched, not after these.
    """
    for run in _runs_under_way(instance):
        pid, host = run.tags.get(PID_TAG), run.tags.get(HOST_TAG)
        if pid is None or host != os.uname().nodename or _alive(int(pid)):
            continue
        instance.report_run_failed(run, message="The process of this run was ended from outside.")


def _runs_under_way(instance: "dg.DagsterInstance") -> "list[dg.DagsterRun]":
    import dagster as dg

    statuses = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    return list(instance.get_runs(dg.RunsFilter(statuses=statuses)))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def own_console() -> Iterator[Console]:
    """A console on a copy of standard output, while the original goes to Dagster's compute logs only.

    dbt's and the sources' own output is kept there and shown in the UI; printed here it would tear the display.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    copy, errors = os.dup(1), os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        with os.fdopen(os.dup(copy), "w", encoding="utf-8") as stream:
            yield console_for(stream)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(copy, 1)
        os.dup2(errors, 2)
        for descriptor in (copy, errors, silence):
            os.close(descriptor)
