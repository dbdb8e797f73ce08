"""Bulk API 2.0: one job takes a CSV file, works at its own pace, and gives its results as three files.

Bulk API 2.0 Developer Guide: create, upload (150 MB in base64, so 100 MB), `UploadComplete`, ask for the state until it
is final, then `successfulResults`, `failedResults`, `unprocessedrecords`. An empty cell leaves a field as it is, `#N/A`
empties it.

A job goes on when we are gone. So its id is written down before it starts, and nothing is looked up or sent before it
has ended: it could undo what a later run writes.
"""

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reverse_etl.destinations.salesforce.client import Client, Written, code_of
from reverse_etl.errors import ConfigurationError, RateLimited, Rejected, Retryable

MAX_BYTES = 100_000_000
EMPTY = "#N/A"
_FINAL = frozenset({"JobComplete", "Failed", "Aborted"})
_TRIES = 8
"""How often the state or a result of a job is asked for in a row without an answer."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Patience:
    """Waits between two looks at a job, in seconds, and how long it may take."""

    first: float
    longest: float
    total: float

    def waits(self) -> Iterator[float]:
        wait, spent = self.first, 0.0
        while spent < self.total:
            yield wait
            spent += wait
            wait = min(2 * wait, self.longest)


@dataclass(frozen=True)
class Results:
    """What a job made of its rows, by the text of the cell that names a row (the key, or `Id`)."""

    rows: Mapping[str, Written]
    unprocessed: frozenset[str]


class Jobs:
    """The jobs of one sync, one after the other. `note` is the file that remembers the one that runs."""

    def __init__(self, client: Client, object: str, note: Path, patience: Patience) -> None:
        self._client = client
        self._object = object
        self._note = note
        self._patience = patience

    async def settle(self) -> None:
        """Wait for the job that an earlier attempt left behind, if there is one."""
        try:
            job = str(json.loads(self._note.read_text())["job"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(f"{self._note} is damaged; look for running bulk jobs, then delete it") from None
        try:
            state = await self._persist(lambda: self._state(job))
            if state == "Open":
                # its upload was not completed: nothing of it is done
                await self._client.call("PATCH", f"/jobs/ingest/{job}", json={"state": "Aborted"})
            elif state not in _FINAL:
                await self._wait(job)
        except Rejected:
            # jobs are forgotten after seven days, and one that has just ended cannot be aborted
            pass
        self._note.unlink(missing_ok=True)

    async def run(self, operation: str, name_column: str, rows: Sequence[Mapping[str, str]]) -> Results:
        """Send rows; the cell in `name_column` tells them apart. Raises Retryable while the job still runs."""
        created = await self._client.json("POST", "/jobs/ingest", json=self._description(operation, name_column))
        job = str(created["id"])
        content = to_csv(rows)
        headers = {"Content-Type": "text/csv; charset=UTF-8"}
        await self._client.call("PUT", f"/jobs/ingest/{job}/batches", content=content, headers=headers)
        self._remember(job)
        await self._client.call("PATCH", f"/jobs/ingest/{job}", json={"state": "UploadComplete"})
        state = await self._wait(job)
        results = await self._results(job, name_column)
        self._note.unlink(missing_ok=True)
        if state == "Aborted" and results.unprocessed:
            raise ConfigurationError(
                f"somebody aborted bulk job {job} in Salesforce: {len(results.unprocessed)} rows were not processed; "
                "run the sync again if it may go on"
            )
        return results

    def _remember(self, job: str) -> None:
        self._note.parent.mkdir(parents=True, exist_ok=True)
        draft = self._note.with_suffix(".part")
        draft.write_text(json.dumps({"job": job}))
        draft.replace(self._note)

    def _description(self, operation: str, name_column: str) -> dict[str, str]:
        described = {"object": self._object, "operation": operation, "contentType": "CSV", "lineEnding": "LF"}
        return described | ({"externalIdFieldName": name_column} if operation == "upsert" else {})

    async def _state(self, job: str) -> str:
        return str((await self._client.json("GET", f"/jobs/ingest/{job}"))["state"])

    async def _wait(self, job: str) -> str:
        for wait in self._patience.waits():
            await asyncio.sleep(wait)
            state = await self._persist(lambda: self._state(job))
            if state in _FINAL:
                return state
        raise Retryable("job_still_running")

    async def _results(self, job: str, name_column: str) -> Results:
        rows: dict[str, Written] = {}
        for entry in await self._file(job, "successfulResults"):
            rows[entry[name_column]] = Written(entry["sf__Id"], entry["sf__Created"] == "true")
        for entry in await self._file(job, "failedResults"):
            rows[entry[name_column]] = _failure(entry["sf__Error"])
        unprocessed = await self._file(job, "unprocessedrecords")
        return Results(rows, frozenset(entry[name_column] for entry in unprocessed) - rows.keys())

    async def _file(self, job: str, name: str) -> list[dict[str, str]]:
        path = f"/jobs/ingest/{job}/{name}"
        response = await self._persist(lambda: self._client.call("GET", path, headers={"Accept": "text/csv"}))
        return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))

    async def _persist(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """An answer to a question that changes nothing: a lost one is asked again here, and not the job run anew."""
        for attempt in range(_TRIES):
            try:
                return await ask()
            except Retryable as error:
                limited = error.retry_after if isinstance(error, RateLimited) else None
                if attempt == _TRIES - 1 or (limited or 0.0) > self._patience.longest:
                    raise
                await asyncio.sleep(self._patience.first if limited is None else limited)
        raise AssertionError("unreachable")


def to_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """A header and the rows; line breaks, quotes and commas inside quotes, everything else as it is.

    A column that a row does not have stays empty.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def cell(value: Any) -> str:
    """A value that is there, as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _failure(error: str) -> Written:
    """`CODE:message:fields --`; the message may quote values and is not kept."""
    code, _, rest = error.partition(":")
    fields = rest.rpartition(":")[2].replace("--", " ").split()
    return Written(error=code_of(code.strip()), fields=tuple(fields))
