"""`kinship check SOURCE`: what is wrong with a source's credentials, rights or reachability, in one line."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.extract.files import find
from orchestration.extract.live.fetch import explained, jobs
from orchestration.extract.live.line import Meter, Patience, Refused, Unavailable
from orchestration.extract.live.state import Arrivals, Item
from orchestration.extract.tables import Source, sources
from orchestration.extract.target import ExtractError
from orchestration.extract.ways import way
from reverse_etl.destination import CheckResult

_PATIENCE = Patience(tries=2, first=0.2, throttled=5.0)


def check_source(name: str) -> CheckResult:
    """Reach a source in the way that the environment chooses, and read a little of it; nothing is kept."""
    source = sources()[name]
    try:
        chosen = way(source)
        if chosen.check:
            return CheckResult(name, "ok", f"{chosen.check()} ({chosen.said_by})")
        if chosen.fetch:
            return CheckResult(name, "ok", f"{_check_api(source)} ({chosen.said_by})")
    except ExtractError as error:
        return CheckResult(name, "failed", str(error).removeprefix(f"{name}: "))
    if not chosen.path.exists():
        return CheckResult(name, "failed" if chosen.said_by else "not_configured", f"there is no folder {chosen.path}")
    found, ignored = find(chosen.path, list(source.tables))
    files = Counter(file.table for file in found)
    told = ", ".join(f"{table} {files[table]:,}" for table in source.tables)
    aside = f"; {len(ignored):,} left aside, such as {ignored[0].file}: {ignored[0].reason}" if ignored else ""
    return CheckResult(name, "ok" if found else "failed", f"files in {chosen.path}: {told}{aside}")


class _FirstPage(Exception):
    """Enough has been read."""


class _Probe(Arrivals):
    """Arrivals that take nothing: the first page shows that there are more."""

    def add(self, items: Sequence[Item], **progress: Any) -> int:
        raise _FirstPage


def _check_api(source: Source) -> str:
    """Ask for a page of every table. Raises `ExtractError` with what the API refuses."""
    meter = Meter()
    failures = []
    todo = jobs(source)
    # one login for all tables: some systems shut out who tries a wrong password too often
    clients = {job.api: replace(job.api, patience=_PATIENCE).clients(job.settings, meter) for job in todo}
    for job in todo:
        client = clients[job.api]()
        with tempfile.TemporaryDirectory(prefix="kinship-") as folder:
            probe = _Probe(Path(folder), Path(folder), job.name, job.table.required)
            try:
                job.feed.fetch(client, probe)
            except _FirstPage:
                pass
            except (Refused, Unavailable) as error:
                failures.append(explained(source.name, job.name, error).removeprefix(f"{source.name}, "))
            finally:
                probe.close()
    if failures:
        raise ExtractError("; ".join(failures))
    quota = "" if meter.quota_left is None else f", {meter.quota_left:,} calls left"
    return f"the API answers for {', '.join(job.name for job in todo)}{quota}"
