"""The commands about syncs. What is heavy is imported by the command that needs it."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from kinship.environment import prepare_environment
from kinship.errors import KinshipError, StoppedByGuard, WrongUse
from kinship.settings import ROOT, settings

if TYPE_CHECKING:
    from reverse_etl.config import Sync
    from reverse_etl.destination import CheckResult

SYNC = typer.Argument(metavar="[SYNC]", help="One sync; default all.")
ONE_SYNC = typer.Argument(metavar="SYNC", help="A sync, as its model is named.")
DRIFT_SAMPLE = 1000
JSON = typer.Option("--json", help="Print JSON and nothing else.")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (plan, sync, status, check, drift, rejected, suppress):
        app.command()(command)


def plan(
    sync: Annotated[str | None, SYNC] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what a sync would add, change and remove, and the calls it takes. Nothing is sent."""
    from reverse_etl.planning import plan_sync

    plans = [plan_sync(one, settings()) for one in _syncs(sync)]
    if as_json:
        print(json.dumps({"syncs": [one.as_json() for one in plans]}))
        return
    from kinship.syncs.printing import print_plans

    print_plans(plans)


def sync(
    sync: Annotated[str | None, SYNC] = None,
    allow_change_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Allow this share of the accepted rows to change, whatever the sync says."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many rows at the most, of each sync.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but the calls; write nothing.")] = False,
    resync: Annotated[
        bool, typer.Option("--resync", help="Send accepted rows again, though they do not differ.")
    ] = False,
) -> None:
    """Send every destination what differs from what it has accepted."""
    from kinship.syncs.printing import print_sync_results, sync_progress
    from reverse_etl.engine import RunResult, run_sync
    from reverse_etl.errors import SyncError

    chosen = _syncs(sync)
    _require_passed_build()
    results: list[RunResult] = []
    errors: list[SyncError] = []
    for one in chosen:
        try:
            with sync_progress(one.name) as on_progress:
                result = run_sync(
                    one, settings(), allow_change_share=allow_change_share, on_progress=on_progress,
                    limit=limit, dry_run=dry_run, resync=resync,
                )  # fmt: skip
            results.append(result)
        except SyncError as error:
            # one destination's trouble keeps nothing from the others
            errors.append(error)
    print_sync_results(results)
    if not dry_run:
        _publish_results()
    for failure in errors:
        print(f"kinship: {failure}", file=sys.stderr)
    codes = {failure.exit_code for failure in errors} | {1 for result in results if result.status == "incomplete"}
    raise typer.Exit(next((code for code in (1, 2, 3) if code in codes), 0))


def _publish_results() -> None:
    """Show the dashboards, where there is something published, what the syncs did."""
    from kinship.published.publication import NothingPublished, current
    from kinship.published.publishing import publish

    try:
        current(settings())
        publish(settings())
    except NothingPublished:
        return
    except KinshipError as error:
        # what was sent was sent; the next run publishes it
        print(f"kinship: not published yet: {error}", file=sys.stderr)


def status(as_json: Annotated[bool, JSON] = False) -> None:
    """Show what the warehouse holds, and where each sync stands."""
    from reverse_etl.status import sync_status

    if as_json:
        print(json.dumps({"syncs": [sync_status(one, settings()).as_json() for one in _syncs(None)]}))
        return
    from kinship.summary import print_facts
    from kinship.syncs.printing import print_sync_status
    from kinship.tables import console_for

    print_facts(console_for(), settings())
    print_sync_status([sync_status(one, settings()) for one in _syncs(None)])


def check(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A destination or a source, as its file is named; it may be both.")
    ],
) -> None:
    """Reach a destination or a source with the credentials of this environment; one line says what is wrong."""
    from orchestration.extract import sources
    from orchestration.extract.check import check_source
    from reverse_etl.destination import destination_names
    from reverse_etl.status import check_destination

    prepare_environment()
    lines: dict[str, str] = {}  # what is the same for all syncs is said once
    if name in sources():
        result = check_source(name)
        lines[_line("source ", result)] = result.status
    if name in destination_names() or not lines:
        syncs = [one for one in _syncs(None) if one.destination == name]
        for result in [check_destination(name, one) for one in syncs] or [check_destination(name)]:
            lines[_line("destination " if name in sources() else "", result)] = result.status
    print("\n".join(lines))
    worst = set(lines.values())
    raise typer.Exit(1 if "failed" in worst else 2 if "not_configured" in worst else 0)


def _line(kind: str, result: "CheckResult") -> str:
    return f"{kind}{result.destination}: {result.status.replace('_', ' ')}: {_one_line(result.message)}"


def drift(
    sync: Annotated[str, ONE_SYNC],
    sample: Annotated[
        int | None, typer.Option(min=1, help="Read back so many rows, by chance; default 1000.", show_default=False)
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read back all of them.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Let the next run send again what drifted.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Read back what a destination accepted, and show what is not so any more. Exit code 1: something is not."""
    from kinship.syncs.printing import print_drift, sync_progress
    from reverse_etl.drift import drift as compare

    if full and sample is not None:
        raise WrongUse("--full reads all rows back, --sample some of them: give one of the two")
    (one,) = _syncs(sync)
    with sync_progress(one.name) as on_progress:
        rows = None if full else sample or DRIFT_SAMPLE
        found = compare(one, settings(), rows, repair=resend, on_progress=on_progress)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        print_drift(found, resend)
    raise typer.Exit(1 if found.drifted > found.made_due else 0)


def rejected(
    sync: Annotated[str, ONE_SYNC],
    retry: Annotated[bool, typer.Option("--retry", help="Let the next run try them all again.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Rows at the most.")] = 50,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the rows that the destination refused, by the hash of their key, and when they are tried again."""
    from reverse_etl.status import rejected_rows, retry_rejected

    (one,) = _syncs(sync)
    if retry:
        count = retry_rejected(one, settings())
        print(json.dumps({"sync": one.name, "due": count}) if as_json else f"{count:,} rows are due in the next run")
        return
    rows = rejected_rows(one, settings())
    if as_json:
        print(json.dumps({"sync": one.name, "rejected": [row.as_json() for row in rows]}))
        return
    from kinship.syncs.printing import print_rejected

    print_rejected(one.name, rows, limit)


def suppress(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="email, phone or customer_id.")],
    erase: Annotated[bool, typer.Option("--erase", help="Have the person's records deleted, too.")] = False,
    reason: Annotated[str, typer.Option(help="Why, in a word or two, without a name.")] = "",
) -> None:
    """Never send a person again: the value (from standard input) goes into seeds/suppressions.csv as its SHA-256."""
    from datetime import UTC, datetime
    from typing import get_args

    from reverse_etl import suppression

    if kind not in get_args(suppression.Kind):
        raise WrongUse(f"there is no type {kind!r}; there are {', '.join(get_args(suppression.Kind))}")
    # an argument would stay in the shell's history and in the list of processes
    value = typer.prompt(kind, hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        rows = suppression.suppress(
            ROOT / "seeds", cast(suppression.Kind, kind), value, "erase" if erase else "suppress", reason,
            datetime.now(UTC).date(),
        )  # fmt: skip
    except ValueError as error:
        raise WrongUse(str(error)) from None
    print(f"{rows} rows added to seeds/suppressions.csv; from the next `kinship run` every sync keeps to it")


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _syncs(name: str | None) -> "list[Sync]":
    from kinship.manifest import load_manifest
    from reverse_etl.config import load_syncs

    prepare_environment()
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
