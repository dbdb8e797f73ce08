"""The command line. What is heavy is imported by the command that needs it: `kinship --help` answers at once."""

import os
import signal
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kinship.environment import prepare_environment
from kinship.errors import KinshipError, WrongUse
from kinship.identity.commands import add_to as add_identity_commands
from kinship.published.commands import add_to as add_publish_command
from kinship.segments.commands import segments
from kinship.settings import ROOT, settings
from kinship.syncs.commands import add_to as add_sync_commands

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="Kinship: a customer data platform that lives in the warehouse.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 stopped by a guard. "
    "With --debug an error shows where it arose.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
DEMO_PEOPLE, DEMO_DAYS, DEMO_SEED = 2_000, 180, 1
DEFINITIONS = ("-m", "orchestration.definitions", "-d", str(ROOT))


def main() -> None:
    """Run the command line; an error becomes one message and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
        os.environ["KINSHIP_DEBUG"] = "1"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # as a script's job in the background begins; Dagster gives SIGTERM the same fate, and nothing could end a run
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what Typer makes of ctrl-C
            _fail("interrupted; the same command takes it up again", INTERRUPTED)
        raise
    except Exception as error:
        if debug:
            raise
        if isinstance(error, KinshipError):
            _fail(str(error), error.exit_code)
        # the text of an unforeseen error may quote a person's data: its class alone is safe to print
        _fail(f"unexpected {type(error).__name__}; the same command with --debug shows where", 1)


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
    prepare_environment()
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
        since = None if rebuild else nothing_new_since(console)
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
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Fetch again what changed in a live source from here on."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End of --from's range, exclusive; default now.")
    ] = None,
) -> None:
    """Take in what is new in the sources, and nothing else."""
    prepare_environment()
    from kinship.tables import print_extracts
    from orchestration.extract import Span
    from orchestration.extract import extract as extract_source
    from orchestration.extract import sources as known

    unknown = sorted(set(sources or ()) - set(known()))
    if unknown:
        raise WrongUse(f"there is no source {unknown[0]!r}; there are {', '.join(known())}")
    span = None
    if since or until:
        if not since or not sources:
            raise WrongUse("--from and --to need the sources whose range is to be fetched again, and --to needs --from")
        try:
            end = datetime.fromisoformat(until) if until else datetime.now(UTC)
            span = Span.of(datetime.fromisoformat(since), end)
        except ValueError as error:
            raise WrongUse(f"--from and --to must be times like 2026-06-30 or 2026-06-30T12:00:00Z ({error})") from None
    print_extracts([extract_source(name, span, tell=_tell) for name in sources or known()])


@app.command()
def dev(port: Annotated[int, typer.Option(help="The port of the UI, on this machine only.")] = 3000) -> None:
    """Open the Dagster UI of this project on 127.0.0.1."""
    _prepare_server()
    print(f"Dagster at http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    _become("dagster", "dev", *DEFINITIONS, "-h", "127.0.0.1", "-p", str(port))


@app.command()
def webserver(
    host: Annotated[
        str, typer.Option(help="The address to listen on; Dagster asks for no password (docs/production.md).")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.")] = 3000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show everything, start nothing.")] = False,
) -> None:
    """Serve the Dagster UI, without the daemon: one of the two services of an installation that stays up."""
    _prepare_server()
    _become("dagster-webserver", *DEFINITIONS, "-h", host, "-p", str(port), *(["--read-only"] if read_only else []))


@app.command()
def daemon() -> None:
    """Run Dagster's schedules, sensors and queue: the other of the two services."""
    _prepare_server()
    _become("dagster-daemon", "run", *DEFINITIONS)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to put the copy, in a new folder named by the time.")],
) -> None:
    """Copy what cannot be built again: the warehouse, ledgers, cursors and Dagster's history."""
    prepare_environment()
    from kinship.backup import back_up

    done = back_up(settings(), folder)
    print(f"{done.files:,} files, {done.bytes / 1e6:,.0f} MB, in {done.folder}")


@app.command()
def maintain() -> None:
    """On Spark: compact the lake's tables, and delete files that nothing of the last seven days needs."""
    prepare_environment()
    if settings().target != "spark":
        raise WrongUse("only a lake needs maintenance (KINSHIP_TARGET=spark): DuckDB's file uses again what it frees")
    from kinship.pipeline import own_console, run_job

    with own_console() as console:
        outcome = run_job("maintenance", console)
        for step in outcome.record.failed:
            console.print(step.message, markup=False)
    raise typer.Exit(outcome.exit_code)


@app.command()
def docs() -> None:
    """Write dbt's documentation of the warehouse as one page: models, columns, tests and lineage."""
    prepare_environment()
    from kinship.lineage import write_page

    print(f"models, columns and lineage: {write_page(settings())}")
    if (checks := settings().data_docs / "index.html").exists():
        print(f"checks of the last run: {checks}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _prepare_server() -> None:
    prepare_environment()
    from kinship.manifest import prepare_manifest
    from kinship.pipeline import prepare_instance

    prepare_manifest()
    prepare_instance()


def _become(program: str, *arguments: str) -> NoReturn:
    """Go on as a program of this environment, so that a signal to this process reaches it."""
    sys.stdout.flush()
    path = str(Path(sys.executable).with_name(program))
    os.execv(path, [path, *arguments])  # noqa: S606


@app.command()
def dashboards(
    port: Annotated[
        int | None, typer.Option(help="The port; default KINSHIP_DASHBOARDS_PORT, then 8501.", show_default=False)
    ] = None,
) -> None:
    """Open the dashboards over what was published last, on this machine unless KINSHIP_DASHBOARDS_ADDRESS says more."""
    prepare_environment()
    if port is not None:
        os.environ["KINSHIP_DASHBOARDS_PORT"] = str(port)
    from dashboards.serving import serve

    serve()


@app.command("access-log")
def access_log(
    customer: Annotated[
        str | None, typer.Argument(metavar="[CUSTOMER]", help="A customer id; default: everybody.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Looks at the most, newest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say who looked at whom in the dashboards, newest first."""
    from kinship.access import print_looks

    print_looks(settings(), customer, limit, as_json=as_json)


add_sync_commands(app)
add_identity_commands(app)
add_publish_command(app)
app.add_typer(segments, name="segments")


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


if __name__ == "__main__":
    main()
