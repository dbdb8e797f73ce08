"""What did we know then: the snapshot of people over merges, returns, corrections and looks back."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from conftest import ROOT, call_dbt

RECIPE = next(
    statement
    for statement in re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "profile.md").read_text(), re.S)
    if "customers_history" in statement
)


class Company:
    """A built company in whose warehouse a test says what is known, and snapshots it with dbt."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.run("create table people_before as from customers.customers")

    def restore(self, *people: str) -> None:
        """The people are again as the build left them."""
        self.run("delete from customers.customers where list_contains(?, customer_id)", list(people))
        self.run("insert into customers.customers from people_before where list_contains(?, customer_id)", list(people))

    def run(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.data / "warehouse.duckdb")) as connection:
            return connection.execute(query, list(values)).fetchall()

    def snapshot(self, as_of: datetime) -> None:
        self.run("update customers.int_customers__as_of set as_of = ?", as_of)
        done = call_dbt("snapshot", data=self.data)
        assert done.returncode == 0, done.stdout[-2000:]

    def known(self, moment: str) -> dict[str, str]:
        """customer_id: city, by the recipe of the docs."""
        query = f"select customer_id, city from ({RECIPE.replace('2026-06-03', moment)})"
        found = self.run(query)
        assert len(found) == len(dict(found)), "a person has two rows of one moment"
        return dict(found)

    def rows(self, person: str) -> list[tuple[Any, ...]]:
        return self.run(
            "select city, valid_from, valid_to from customers.customers_history where customer_id = ? order by 2",
            person,
        )


def test_the_history_is_what_was_known_at_each_moment(company: Path) -> None:
    house = Company(company)
    people = [person for (person,) in house.run("select customer_id from customers.customers order by 1")]
    ann, bob, cho = people[:3]
    # begun by `kinship run`: one open row each, from the moment the build looked from
    (began,) = house.run("select as_of from customers.int_customers__as_of")[0]
    assert house.run(
        "select count(*), count(valid_to), min(valid_from), max(valid_from) from customers.customers_history"
    ) == [(len(people), 0, began, began)]
    first, second, third, fourth = (datetime(2026, 12, day) for day in (1, 2, 3, 4))
    (was,) = house.run("select city from customers.customers where customer_id = ?", ann)[0]

    # Ann moves, Bob is merged away
    house.run("update customers.customers set city = 'Ruse' where customer_id = ?", ann)
    house.run("delete from customers.customers where customer_id = ?", bob)
    house.snapshot(first)
    assert house.rows(ann) == [(was, began, first), ("Ruse", first, None)]
    assert [row[1:] for row in house.rows(bob)] == [(began, first)]
    assert [row[1:] for row in house.rows(cho)] == [(began, None)]
    assert bob in house.known("2026-11-30") and bob not in house.known("2026-12-01")

    # the same moment once more, knowing better: Ann is in Varna, and Bob was nobody else
    house.run("update customers.customers set city = 'Varna' where customer_id = ?", ann)
    house.restore(bob)
    house.snapshot(first)
    assert house.rows(ann) == [(was, began, first), ("Varna", first, None)]
    assert [row[1:] for row in house.rows(bob)] == [(began, None)]

    # a look from an earlier moment writes nothing, whatever it sees
    history = house.run("from customers.customers_history order by all")
    house.run("update customers.customers set city = 'Nowhere'")
    house.run("delete from customers.customers where customer_id = ?", cho)
    house.snapshot(datetime(2026, 1, 1))
    assert house.run("from customers.customers_history order by all") == history

    # Bob is merged away after all; nothing else changes, and nobody gets a row
    house.restore(*people)
    house.run("update customers.customers set city = 'Varna' where customer_id = ?", ann)
    house.run("delete from customers.customers where customer_id = ?", bob)
    house.snapshot(second)
    assert [row[1:] for row in house.rows(bob)] == [(began, second)]
    assert house.run("select count(*) from customers.customers_history") == [(len(people) + 1,)]

    # the merge is undone
    house.restore(bob)
    house.snapshot(third)
    assert [row[1:] for row in house.rows(bob)] == [(began, second), (third, None)]
    # nothing new
    history = house.run("from customers.customers_history order by all")
    house.snapshot(fourth)
    assert house.run("from customers.customers_history order by all") == history

    assert set(house.known("2026-12-03")) == set(people)
    assert set(house.known("2026-12-02 12:00:00")) == set(people) - {bob}
    assert (house.known("2026-11-30")[ann], house.known("2026-12-01")[ann]) == (was, "Varna")
