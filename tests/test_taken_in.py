"""Tables of latest appearances, kept up by the files that came and went, are those that are built from nothing, and
those that plain Python finds, after any history of files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from files_house import START, FilesHouse
from hypothesis import example, given, settings
from hypothesis import strategies as st


@dataclass(frozen=True)
class Told:
    """What one file says of one record."""

    number: int
    changed: int | None
    path: int
    deleted: bool = False


def message(told: Told, at: str | None) -> Mapping[str, Any]:
    page = f'{{"page": {{"path": "/{told.path}"}}}}'
    return {"message_id": f"{told.number}", "type": "page", "anonymous_id": "a", "received_at": at, "context": page}


def shop_record(column: str, told: Told, at: str | None) -> Mapping[str, Any]:
    return {"id": f"{told.number}", "updated_at": at, column: f"/{told.path}"}


@dataclass(frozen=True)
class Model:
    """A model, the raw table it follows, a raw row of it, and the columns with a record's key and path."""

    source: str
    table: str
    name: str
    row: Callable[[Told, str | None], Mapping[str, Any]]
    key: str
    path: str

    def new_house(self) -> FilesHouse:
        return FilesHouse(self.source, self.table, self.name)

    def take_in(self, house: FilesHouse, number: int, records: list[Told]) -> None:
        rows = []
        for told in records:
            at = None if told.changed is None else f"{START + timedelta(hours=told.changed):%Y-%m-%dT%H:%M:%SZ}"
            rows.append({**self.row(told, at), "_kinship_deleted_at": "2026-03-02" if told.deleted else None})
        house.take_in(f"{number:06}", f"{number}.jsonl", number, rows)


MESSAGES = Model("segment", "events", "stg_segment__messages", message, "message_id", "page_path")
ORDERS = Model(
    "shopify", "orders", "stg_shopify__order_headers", partial(shop_record, "landing_site"), "order_id", "landing_site"
)
CHECKOUTS = Model(
    "shopify",
    "checkouts",
    "stg_shopify__checkouts",
    partial(shop_record, "abandoned_checkout_url"),
    "checkout_id",
    "abandoned_checkout_url",
)
MODELS = pytest.mark.parametrize("model", [MESSAGES, ORDERS, CHECKOUTS], ids=lambda model: model.name)

records = st.builds(
    Told,
    number=st.integers(1, 6),
    changed=st.one_of(st.none(), st.integers(0, 5)),
    path=st.integers(1, 3),
    deleted=st.booleans(),
)
# what comes before a build: files, and earlier ones that count no more, or again; and whether it is broken off
steps = st.tuples(
    st.lists(st.lists(records, max_size=4), max_size=2), st.sets(st.integers(0, 4), max_size=2), st.booleans()
)


def latest(files: list[list[Told]], current: list[bool]) -> dict[str, str]:
    """The path of each record that is not deleted, by the latest word of it; where words tie within a file, none."""
    words: dict[int, list[tuple[Any, Told]]] = {}
    for file, records in enumerate(files):
        for told in records if current[file] else []:
            order = (told.changed is not None, told.changed or 0, file)
            words.setdefault(told.number, []).append((order, told))
    found = {}
    for number, said in words.items():
        top = max(order for order, _ in said)
        last = {told for order, told in said if order == top}
        if len(last) == 1 and not (word := last.pop()).deleted:
            found[f"{number}"] = f"/{word.path}"
        elif len(last) > 1:
            found[f"{number}"] = "tie"
    return found


@MODELS
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
    model: Model,
    history: list[tuple[list[list[Told]], set[int], bool]],
) -> None:
    house = model.new_house()
    files: list[list[Told]] = []
    current: list[bool] = []
    for come, turned, broken_off in history:
        for records in come:
            model.take_in(house, len(files), records)
            files.append(records)
            current.append(True)
        for number in turned & set(range(len(files))):
            current[number] = not current[number]
            house.turn(f"{number:06}", is_current=current[number])
        if broken_off:  # between its two statements; another run follows before a file comes or goes
            house.build(hook=False)
        house.build()
    house.build(table="anew")
    assert house.rows("from held except all from anew") == house.rows("from anew except all from held") == []
    expected = latest(files, current)
    paths = dict(house.rows(f"select {model.key}, {model.path} from held"))
    ties = {number for number, path in expected.items() if path == "tie"}
    assert {key: path for key, path in paths.items() if key not in ties} == {
        key: path for key, path in expected.items() if key not in ties
    }


@MODELS
def test_what_was_taken_in_before_is_not_read_again(model: Model) -> None:
    house = model.new_house()
    model.take_in(house, 1, [Told(number, 1, 1) for number in range(1000)])
    house.build()
    model.take_in(house, 2, [Told(1000, 2, 1)])
    house.connection.execute(
        f"update {model.table} set _file_id = 'not to be read' where _file_id = '000001' and rowid < 5"
    )
    sql = house.increment()
    assert "union all" not in sql.split("repeated as")[0]
    assert [row[0] for row in house.rows(sql)] == ["1000"]


@MODELS
def test_a_table_of_before_is_taken_over(model: Model) -> None:
    house = model.new_house()
    model.take_in(house, 1, [Told(1, 1, 1)])
    house.build()
    house.connection.execute("alter table held drop column file_id")
    model.take_in(house, 2, [Told(2, 1, 1)])
    assert {row[0] for row in house.rows(house.increment())} == {"1", "2"}
