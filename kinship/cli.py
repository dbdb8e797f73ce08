"""The command line. What is heavy is imported by the command that needs it: `kinship --help` answers at once."""

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinship import spark
from kinship.errors import KinshipError, StoppedByGuard, WrongUse
from kinship.identity.commands import add_to as add_identity_commands
from kinship.segments.commands import segments
from kinship.settings import ROOT, settings

if TYPE_CHECKING:
    from rich.console import Console

    from reverse_etl.config import Sync

app = typer.Typer(
    help="Kinship: a customer data platform that lives in the warehouse.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 stopped by a guard. "
    "With --debug an error shows where it arose.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

TARGETS = ("duckdb", "spark")
DEMO_PEOPLE, DEMO_DAYS, DEMO_SEED = 2_000, 180, 1


def main() -> None:
    """Run the command line; an error becomes one message and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
        os.environ["KINSHIP_DEBUG"] = "1"
    try:
        app()
    except KeyboardInterrupt:
        _fail("interrupted; the same command takes it up again", 130)
    except Exception as error:
        if debug:
            raise
        code = _exit_code(error)
        if code is not None:
            _fail(str(error), code)
        # the text of an unforeseen error may quote a person's data: its class alone is safe to print
        _fail(f"unexpected {type(error).__name__}; the same command with --debug shows where", 1)


def _exit_code(error: Exception) -> int | None:
    """The exit code of an error whose message is meant for people; None for any other."""
    if isinstance(error, KinshipError):
        return error.exit_code
    if type(error).__name__ == "ExtractError":  # known without importing dlt
        return 1
    from reverse_etl.errors import ConfigurationError, GuardError, SyncError

    if not isinstance(error, SyncError):
        return None
    return 3 if isinstance(error, GuardError) else 2 if isinstance(error, ConfigurationError) else 1


def _fail(message: str, code: int) -> None:
    print(f"kinship: {message}", file=sys.stderr)
    sys.exit(code)


@app.command()
def run(
    rebuild: Annotated[bool, typer.Option(help="Build every table and evaluate every check, changed or not.")] = False,
    accept_change: Annotated[
        bool, typer.Option(help="Accept that tables or segments lost much of their rows since the last build.")
    ] = False,
) -> None:
    """Run everything: extract, build what changed, check, send what differs."""
    _prepare_environment()
    if accept_change:
        os.environ["KINSHIP_ACCEPT_CHANGE"] = "1"
    from kinship.pipeline import nothing_new_since, own_console, run_job
    from kinship.summary import print_run

    with own_console() as console:
        if not _has_sources():
            console.print(
                f"{settings().sources} holds no source files yet: writing those of a demo company first"
                f" ({DEMO_PEOPLE:,} people, {DEMO_DAYS} days)"
            )
            _write_demo(DEMO_PEOPLE, DEMO_DAYS, DEMO_SEED, settings().sources, None, console)
        since = None if rebuild else nothing_new_since()
        if since is None:
            outcome = run_job("pipeline", console, {"kinship/rebuild": "true"} if rebuild else {})
        else:
            console.print(
                f"nothing is new in any source since the build of {since:%Y-%m-%d %H:%M} UTC", highlight=False
            )
            outcome = run_job("sync", console)
        print_run(console, settings(), outcome)
    raise typer.Exit(outcome.exit_code)


@app.command()
def demo(
    people: Annotated[int | None, typer.Option(min=1, help="Customers; default 2000.", show_default=False)] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days of history; default 180.", show_default=False)] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed writes the same files; default 1.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the source files; default KINSHIP_SOURCES.")] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="Last day; extends a company that is there already, as it was begun."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of the truth, which no run reads; default `truth` beside the sources.")
    ] = None,
) -> None:
    """Write the source files of a simulated company, as its eight systems would hand them over."""
    from demo.company import remembered
    from kinship.tables import console_for

    try:
        last = date.fromisoformat(until) if until else None
    except ValueError:
        raise WrongUse(f"--until must be a day like 2026-06-30, got {until!r}") from None
    folder = out or settings().sources
    begun = remembered(folder, truth) or (DEMO_PEOPLE, DEMO_DAYS, DEMO_SEED)
    size = [begun[i] if given is None else given for i, given in enumerate((people, days, seed))]
    _write_demo(size[0], size[1], size[2], folder, last, console_for(), truth)


@app.command()
def extract(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Sources; default all.")] = None,
) -> None:
    """Take in what is new in the sources' files, and nothing else."""
    _prepare_environment()
    from kinship.tables import print_extracts
    from orchestration.extract import extract as extract_source
    from orchestration.extract import sources as known

    unknown = sorted(set(sources or ()) - set(known()))
    if unknown:
        raise WrongUse(f"there is no source {unknown[0]!r}; there are {', '.join(known())}")
    print_extracts([extract_source(name) for name in sources or known()])


@app.command()
def dev(port: Annotated[int, typer.Option(help="The port of the UI, on this machine only.")] = 3000) -> None:
    """Open the Dagster UI of this project on 127.0.0.1."""
    _prepare_environment()
    from kinship.manifest import prepare_manifest
    from kinship.pipeline import prepare_instance

    prepare_manifest()
    prepare_instance()
    dagster = str(Path(sys.executable).with_name("dagster"))
    print(f"Dagster at http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    arguments = ["dev", "-m", "orchestration.definitions", "-d", str(ROOT), "-h", "127.0.0.1", "-p", str(port)]
    os.execv(dagster, [dagster, *arguments])  # noqa: S606


@app.command()
def plan(
    sync: Annotated[str | None, typer.Argument(help="One sync; default all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Show what a sync would add, change and remove, and the calls it takes. Nothing is sent."""
    from reverse_etl.planning import plan_sync

    plans = [plan_sync(one, settings()) for one in _syncs(sync)]
    if as_json:
        print(json.dumps({"syncs": [one.as_json() for one in plans]}))
        return
    from kinship.tables import print_plans

    print_plans(plans)


@app.command()
def sync(
    sync: Annotated[str | None, typer.Argument(help="One sync; default all.")] = None,
    allow_change_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Allow this share of the accepted rows to change, whatever the sync says."),
    ] = None,
) -> None:
    """Send every destination what differs from what it has accepted."""
    from kinship.tables import print_sync_results, sync_progress
    from reverse_etl.engine import RunResult, run_sync
    from reverse_etl.errors import SyncError

    chosen = _syncs(sync)
    _require_passed_build()
    results: list[RunResult] = []
    errors: list[SyncError] = []
    for one in chosen:
        try:
            with sync_progress(one.name) as on_progress:
                results.append(
                    run_sync(one, settings(), allow_change_share=allow_change_share, on_progress=on_progress)
                )
        except SyncError as error:
            # one destination's trouble keeps nothing from the others
            errors.append(error)
    print_sync_results(results)
    for failure in errors:
        print(f"kinship: {failure}", file=sys.stderr)
    codes = {_exit_code(failure) for failure in errors} | {1 for result in results if result.status == "incomplete"}
    raise typer.Exit(next((code for code in (1, 2, 3) if code in codes), 0))


@app.command()
def status() -> None:
    """Show what the warehouse holds, and where each sync stands."""
    from kinship.summary import print_facts
    from kinship.tables import console_for, print_sync_status
    from reverse_etl.status import sync_status

    syncs = _syncs(None)
    print_facts(console_for(), settings())
    print_sync_status([sync_status(one, settings()) for one in syncs])


@app.command()
def check(destination: Annotated[str, typer.Argument(help="A destination, as its file is named.")]) -> None:
    """Reach a destination with the credentials of this environment."""
    from reverse_etl.status import check_destination

    syncs = [one for one in _syncs(None) if one.destination == destination]
    results = [check_destination(destination, one) for one in syncs] or [check_destination(destination)]
    for result in results:
        print(f"{result.destination}: {result.status.replace('_', ' ')}: {result.message}")
    worst = {result.status for result in results}
    raise typer.Exit(1 if "failed" in worst else 2 if "not_configured" in worst else 0)


add_identity_commands(app)
app.add_typer(segments, name="segments")


def _prepare_environment() -> None:
    """Give this process and its children one absolute view of where things lie."""
    target = settings().target
    if target not in TARGETS:
        raise WrongUse(f"KINSHIP_TARGET is {target!r}; the targets are {' and '.join(TARGETS)}")
    if target == "spark":
        spark.require()
    os.environ.update(settings().environment())
    os.environ.setdefault("DO_NOT_TRACK", "1")


def _write_demo(
    people: int, days: int, seed: int, out: Path, until: date | None, console: "Console", truth: Path | None = None
) -> None:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from demo.company import simulate

    columns = (TextColumn("writing the demo company"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("demo", total=None)
        try:
            summary = simulate(
                people, days, seed, out, until, truth,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )  # fmt: skip
        except ValueError as error:
            raise WrongUse(str(error)) from error
    rows = sum(summary.rows.values())
    console.print(
        f"{rows:,} records of {summary.people:,} people in {summary.files:,} files ({summary.bytes / 1e6:.0f} MB),"
        f" {summary.start} to {summary.end}, in {out}",
        highlight=False,
    )


def _has_sources() -> bool:
    folder = settings().sources
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))


def _syncs(name: str | None) -> "list[Sync]":
    from kinship.manifest import load_manifest
    from reverse_etl.config import load_syncs

    _prepare_environment()
    syncs = load_syncs(load_manifest())
    if name is None:
        return syncs
    chosen = [one for one in syncs if one.name == name]
    if not chosen:
        raise WrongUse(f"there is no sync {name!r}; there are {', '.join(one.name for one in syncs)}")
    return chosen


def _require_passed_build() -> None:
    from kinship import builds
    from kinship.warehouse import connect

    with connect() as warehouse:
        if builds.is_broken_off(warehouse):
            raise StoppedByGuard(
                "the last build broke off or did not pass its checks, so nothing is sent from it: `kinship run` first"
            )


if __name__ == "__main__":
    main()
