"""A table of latest appearances, kept up by the files that came and went, is the one that is built from nothing, and
the one that plain Python finds, after any history of files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from macros import MACROS

from orchestration.extract import sources

MODEL = Path(__file__).parents[1] / "models" / "staging" / "segment" / "stg_segment__messages.sql"
MACRO_FILES = ("appearances", "json", "raw", "taken_in", "text", "time")
START = datetime(2026, 3, 1)


@cache
def _template(text: str) -> jinja2.Template:
    macros = "\n".join((MACROS / f"{name}.sql").read_text() for name in MACRO_FILES)
    return jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(f"{macros}\n[text]{text}")


def render_text(text: str, **context: Any) -> str:
    return _template(text).render(context).split("[text]")[-1]


class House:
    """Raw messages, and the model over them, built as dbt would: merged by its key, then the post-hook."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set TimeZone = 'UTC'")
        columns = ", ".join(f'"{name}" varchar' for name in sources()["segment"].tables["events"].columns)
        self.connection.execute(f"create table events ({columns})")
        self.connection.execute(
            "create table extracted_files (file_id varchar, file varchar, table_name varchar, extracted_at timestamp,"
            " is_current boolean)"
        )

    def build(self, *, table: str = "held", hook: bool = True) -> None:
        exists = bool(self.connection.execute("from duckdb_tables() where table_name = ?", [table]).fetchall())
        config: dict[str, Any] = {}
        context = self._context(table, exists) | {"config": lambda **said: config.update(said) or ""}
        sql = render_text(MODEL.read_text(), **context)
        if exists:
            self.connection.execute(f"create or replace temp table told as {sql}")
            key = config["unique_key"]
            self.connection.execute(
                f"merge into {table} as old using told as new on old.{key} = new.{key}"
                " when matched then update by name when not matched then insert by name"
            )
            if hook:
                self.connection.execute(render_text(config["post_hook"], **context))
        else:
            self.connection.execute(f"create table {table} as {sql}")

    def _context(self, table: str, exists: bool) -> dict[str, Any]:
        described = self.connection.execute(f"describe {table}").fetchall() if exists else []

        class Adapter:
            @staticmethod
            @jinja2.pass_context
            def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
                return names.resolve(f"duckdb__{name}") or names.resolve(f"default__{name}")

            @staticmethod
            def get_columns_in_relation(_relation: str) -> list[SimpleNamespace]:
                return [SimpleNamespace(name=name) for name, *_ in described]

        return {
            "adapter": Adapter,
            "dbt": SimpleNamespace(string_literal=lambda text: "'" + text.replace("'", "''") + "'"),
            "execute": True,
            "is_incremental": lambda: exists,
            "run_query": lambda query: SimpleNamespace(rows=self.connection.execute(query).fetchall()),
            "source": lambda _source, name: name,
            "this": table,
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()


@dataclass(frozen=True)
class Told:
    """What one file says of one message."""

    message: int
    received: int | None
    path: int
    deleted: bool = False

    def row(self, file_id: str) -> Mapping[str, Any]:
        at = None if self.received is None else f"{START + timedelta(hours=self.received):%Y-%m-%dT%H:%M:%SZ}"
        return {
            "message_id": f"{self.message}",
            "type": "page",
            "anonymous_id": "a",
            "received_at": at,
            "context": f'{{"page": {{"path": "/{self.path}"}}}}',
            "_kinship_deleted_at": "2026-03-02" if self.deleted else None,
            "_file_id": file_id,
        }


messages = st.builds(
    Told,
    message=st.integers(1, 6),
    received=st.one_of(st.none(), st.integers(0, 5)),
    path=st.integers(1, 3),
    deleted=st.booleans(),
)
# what comes before a build: files, and earlier ones that count no more, or again; and whether it is broken off
steps = st.tuples(
    st.lists(st.lists(messages, max_size=4), max_size=2), st.sets(st.integers(0, 4), max_size=2), st.booleans()
)


def take_in(house: House, number: int, records: list[Told]) -> None:
    file_id = f"{number:06}"
    house.connection.execute(
        "insert into extracted_files values (?, ?, 'events', ?, true)",
        [file_id, f"{number}.jsonl", START + timedelta(days=number)],
    )
    for record in records:
        row = record.row(file_id)
        house.connection.execute(
            f"insert into events ({', '.join(row)}) values ({', '.join('?' * len(row))})", [*row.values()]
        )


def latest(files: list[list[Told]], current: list[bool]) -> dict[str, str]:
    """The path of each message that is not deleted, by the latest word of it; where words tie within a file, none."""
    words: dict[int, list[tuple[Any, Told]]] = {}
    for number, records in enumerate(files):
        for record in records if current[number] else []:
            order = (record.received is not None, record.received or 0, number)
            words.setdefault(record.message, []).append((order, record))
    found = {}
    for message, said in words.items():
        top = max(order for order, _ in said)
        last = {record for order, record in said if order == top}
        if len(last) == 1 and not (word := last.pop()).deleted:
            found[f"{message}"] = f"/{word.path}"
        elif len(last) > 1:
            found[f"{message}"] = "tie"
    return found


@settings(max_examples=60, deadline=None)
@given(history=st.lists(steps, min_size=2, max_size=5))
# the file that said a record was deleted is withdrawn, and with it another record
@example(
    history=[
        ([[Told(1, 1, 1), Told(2, 1, 1)], [Told(1, 2, 1, deleted=True), Told(3, 1, 1)]], set(), False),
        ([], {1}, False),
    ]
)
def test_files_that_come_and_go_leave_what_a_build_from_nothing_makes(
    history: list[tuple[list[list[Told]], set[int], bool]],
) -> None:
    house = House()
    files: list[list[Told]] = []
    current: list[bool] = []
    for come, turned, broken_off in history:
        for records in come:
            take_in(house, len(files), records)
            files.append(records)
            current.append(True)
        for number in turned & set(range(len(files))):
            current[number] = not current[number]
            house.connection.execute(
                "update extracted_files set is_current = ? where file_id = ?", [current[number], f"{number:06}"]
            )
        if broken_off:  # between its two statements; another run follows before a file comes or goes
            house.build(hook=False)
        house.build()
    house.build(table="anew")
    assert house.rows("from held except all from anew") == house.rows("from anew except all from held") == []
    expected = latest(files, current)
    paths = dict(house.rows("select message_id, page_path from held"))
    ties = {message for message, path in expected.items() if path == "tie"}
    assert {key: path for key, path in paths.items() if key not in ties} == {
        key: path for key, path in expected.items() if key not in ties
    }


def test_what_was_taken_in_before_is_not_read_again() -> None:
    house = House()
    take_in(house, 1, [Told(message, 1, 1) for message in range(1000)])
    house.build()
    take_in(house, 2, [Told(1000, 2, 1)])
    context = house._context("held", True) | {"config": lambda **_: ""}
    house.connection.execute(
        "update events set _file_id = 'not to be read' where message_id < '5' and _file_id = '000001'"
    )
    sql = render_text(MODEL.read_text(), **context)
    assert "union all" not in sql.split("repeated as")[0]
    assert [row[0] for row in house.rows(sql)] == ["1000"]


def test_a_table_of_before_is_taken_over() -> None:
    house = House()
    take_in(house, 1, [Told(1, 1, 1)])
    house.build()
    house.connection.execute("alter table held drop column file_id")
    take_in(house, 2, [Told(2, 1, 1)])
    context = house._context("held", True) | {"config": lambda **_: ""}
    assert {row[0] for row in house.rows(render_text(MODEL.read_text(), **context))} == {"1", "2"}
