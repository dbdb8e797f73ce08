"""A published company of one's own, with what happened in operations planted into its files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from kinship.identity import review
from kinship.identity.evidence import Record
from kinship.identity.review import AlreadyDecided, Question
from kinship.published.publication import Publication
from kinship.published.reader import open_publication


def own(published: Path, folder: Path, *parts: str) -> Path:
    """A data folder with a copy of the latest publication, and of these parts of the state (files or folders)."""
    folder.mkdir(parents=True)
    for part in ("published", *parts):
        source, target = published / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        elif source.exists():
            shutil.copy(source, target)
    return folder


def plant(data: Path, change: Callable[[duckdb.DuckDBPyConnection], object]) -> None:
    """Change both files of the latest publication, as no run would, and count their rows anew."""
    pointer = data / "published" / "current.json"
    record = json.loads(pointer.read_text())
    folder = data / "published" / record["folder"]
    for name in ("masked.duckdb", "warehouse.duckdb"):
        (folder / name).chmod(0o600)
        with duckdb.connect(str(folder / name)) as connection:
            change(connection)
            tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            record["rows"] = {
                f"{schema}.{table}": connection.execute(f'select count(*) from "{schema}"."{table}"').fetchall()[0][0]
                for schema, table in tables
            }
    pointer.write_text(json.dumps(record))


def reading(publication: Publication) -> duckdb.DuckDBPyConnection:
    """The full tables, beside the pages that have them open in this process."""
    return open_publication(publication, masked=False)


def decide_all(seed: Path, author: str, numbers: range) -> int:
    """Answer the same made-up questions as others do just now; returns how many answers were taken."""
    review.overrides_path = lambda: seed
    taken = 0
    for number in numbers:
        left, right = Record("a", f"{number}"), Record("b", f'{number}, "x"')
        one = Question(f"{number}", "merge", "too_weak", left, right, "phone", 0.5, 1.0, None, 1, 1)
        try:
            review.decide(one, "same" if author < "c" else "different", author, f"so said\n{author}")
            taken += 1
        except AlreadyDecided:
            pass
    return taken
