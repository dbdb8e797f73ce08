"""The case of `file`: the real file system, and what a reader makes of the feed."""

import csv
import json
from collections.abc import Iterator
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


class Feed(Case):
    sync = {"object": "people", "key": "email"}  # noqa: RUF012
    value = "firstname"

    @contextmanager
    def server(self, folder: Path) -> Iterator[Outbox]:
        yield Outbox(folder / "outbox")

    def content(self, server: Any) -> list[tuple[str, str]]:
        state: dict[str, str] = {}
        for manifest in sorted(server.folder.rglob("*.manifest.json")):
            with (manifest.parent / json.loads(manifest.read_text())["file"]).open(newline="") as file:
                for row in csv.DictReader(file):
                    if row["_operation"] == "remove":
                        state.pop(row["email"], None)
                    else:
                        state[row["email"]] = row["firstname"]
        return sorted(state.items())
