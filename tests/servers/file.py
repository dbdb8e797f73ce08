"""The case of `file`: the real file system, and what a reader makes of the feed."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.case import Case


@dataclass
class Outbox:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_FILE_DIR": str(self.folder)}


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def apply_feed(files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """What a reader makes of a feed of CSV: key and first name of everybody who is left, in the order of the names."""
    state: dict[str, str] = {}
    for name, content in sorted(files.items()):
        if not name.endswith(".manifest.json"):
            continue
        manifest = json.loads(content)
        data = files[str(Path(name).parent / manifest["file"])]
        assert hashlib.sha256(data).hexdigest() == manifest["sha256"]
        rows = list(csv.DictReader(data.decode().splitlines(keepends=True)))
        assert len(rows) == manifest["rows"] and {row["_operation"] for row in rows} == {manifest["operation"]}
        for row in rows:
            if row["_operation"] == "upsert":
                state[row["email"]] = row["firstname"]
            else:
                state.pop(row["email"], None)
    return sorted(state.items())


class Feed(Case):
    sync = {"object": "people", "key": "email"}  # noqa: RUF012
    value = "firstname"

    @contextmanager
    def server(self, folder: Path) -> Iterator[Outbox]:
        yield Outbox(folder / "outbox")

    def content(self, server: Any) -> list[tuple[str, str]]:
        return apply_feed(read_folder(server.folder))
