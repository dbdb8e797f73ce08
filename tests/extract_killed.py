"""Kill an extraction at chosen moments: a driver process that imports once and forks a child for each attempt.

    python extract_killed.py 17 0.25    kill one at its 17th operation, another after 0.25 s
    python extract_killed.py 0          kill none, and tell how many operations it makes in how many seconds

An operation is one on a file, or the beginning or end of a commit to the lake (whose files Python does not see). Each
attempt starts from a copy of the folder KILL_BASE (a warehouse or lake with a first load), is killed, and is then
completed by a second child; the driver prints a JSON line with what the raw tables hold then.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from extract_house import query
from forked import COMMIT, in_child, killed_at

from kinship.settings import settings
from orchestration.extract import extract

SOURCE = "zendesk"


def audited(function: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object, **named: object) -> object:
        sys.audit(COMMIT)
        result = function(*arguments, **named)
        sys.audit(COMMIT)
        return result

    return call


def audit_commits() -> None:
    """Let the hook see where commits to the lake begin and end."""
    from deltalake.table import DeltaTable, TableMerger

    from orchestration.extract import lake

    for place, name in ((lake, "write_deltalake"), (DeltaTable, "delete"), (TableMerger, "execute")):
        setattr(place, name, audited(getattr(place, name)))


def report() -> None:
    rows = query(
        "select id, _file_id in (select file_id from raw_zendesk.extracted_files where is_current), count(*) "
        "from raw_zendesk.users group by all order by all"
    )
    faults = query("select file, line from raw_zendesk.quarantine order by all")
    ledger = query(
        "select file, version, part, rows, quarantined, is_current from raw_zendesk.extracted_files order by all"
    )
    print(json.dumps({"rows": rows, "faults": faults, "ledger": ledger}), flush=True)


def attempt(base: Path, moment: float) -> None:
    folder = base.with_name("attempt")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    os.environ["KINSHIP_DATA"] = str(folder)
    code = in_child(killed_at(moment, lambda: extract(SOURCE)))
    if moment:
        print(json.dumps({"moment": moment, "killed": code == -signal.SIGKILL}), flush=True)
    if in_child(lambda: (extract(SOURCE), report())[1]) != 0:  # type: ignore[func-returns-value]
        sys.exit(f"could not complete after a kill at {moment}")


def main() -> None:
    target = settings().target
    with tempfile.TemporaryDirectory() as folder:  # all that is imported late is imported here, not in each child
        os.environ |= {"KINSHIP_DATA": folder, "KINSHIP_TARGET": "duckdb"}  # delta-rs, once used, does not stand a fork
        extract(SOURCE)
    os.environ["KINSHIP_TARGET"] = target
    if target == "spark":
        audit_commits()
    base = Path(os.environ["KILL_BASE"])
    for moment in sys.argv[1:]:
        attempt(base, float(moment))


if __name__ == "__main__":
    main()
