"""Kill a live extraction at chosen moments: a driver process that imports once and forks a child for each attempt.

    python live_killed.py 17 0.25    kill one at its 17th operation, another after 0.25 s
    python live_killed.py 0          kill none, and tell how many operations it makes in how many seconds

An operation is one on a file, or the beginning or end of a transaction of the progress. Each attempt starts from a copy
of the data folder KILL_BASE, is killed, and is then completed by a second child; the driver prints a JSON line with
what the raw table of KILL_SOURCE holds then.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from extract_house import query, raw
from forked import COMMIT, in_child, killed_at

from orchestration.extract import extract, sources
from orchestration.extract.live import rt, state, tryton
from orchestration.extract.tables import _load

SOURCE = os.environ["KILL_SOURCE"]
# of each source the table that is looked at, and its columns
LOOKED_AT = {
    "shopify": ("customers", "id, updated_at, email"),
    "tryton": ("parties", "id, last_modified_at, name"),
    "medusa": ("customers", "id, updated_at, first_name"),
    "rt": ("tickets", "id, last_updated, subject"),
}


def audit_commits() -> None:
    leave = state._Transaction.__exit__

    def audited(self: state._Transaction, *error: object) -> None:
        sys.audit(COMMIT)
        leave(self, *error)
        sys.audit(COMMIT)

    state._Transaction.__exit__ = audited  # type: ignore[method-assign]


def report() -> None:
    table, columns = LOOKED_AT[SOURCE]
    rows = query(f"select {columns}, count(*) from {raw(SOURCE, table)} as r group by all order by all")
    left = [str(path) for path in Path(os.environ["KINSHIP_DATA"], "arrivals").rglob("*") if path.is_file()]
    print(json.dumps({"rows": rows, "left": left}), flush=True)


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
    sources().setdefault(SOURCE, _load(SOURCE))  # also one that is not in the list of sources
    with tempfile.TemporaryDirectory() as folder:  # all that is imported late is imported here, not in each child
        os.environ["KINSHIP_DATA"] = folder
        extract(SOURCE)
    audit_commits()
    tryton.PAGE = 50
    rt.SIZE = 10
    source = sources()[SOURCE]
    assert source.api
    if SOURCE == "medusa":
        for name, table in source.tables.items():
            source.tables[name] = replace(table, live=(replace(table.live[0], size=20),))
    source.api = replace(source.api, rates={})  # what runs here has no such limit
    base = Path(os.environ["KILL_BASE"])
    for moment in sys.argv[1:]:
        attempt(base, float(moment))


if __name__ == "__main__":
    main()
