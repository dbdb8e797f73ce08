"""Next products: SQL against an independent oracle, nothing from the future, published only when it is better."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random

import duckdb
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from recommendations_house import Line, complete, go_on, house, judge, look, recommend, text_sql

from kinship.predictions import next_products
from kinship.predictions.backtest import Fit

sys.path.insert(0, str(ROOT / "benchmarks"))

from recommendations import run

AS_OF = datetime(2026, 1, 1)
INVOICES = ROOT.parent / "shared" / "data" / "online_retail"

purchases = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6), st.integers(1, 300)), min_size=1, max_size=60)


def as_lines(bought: list[tuple[int, int, int]]) -> list[Line]:
    """Lines from (person, product, days before `AS_OF`): what a person buys on one day is one order."""
    return [
        (f"o{person}-{days}", f"c{person}", f"p{product}", AS_OF - timedelta(days=days))
        for person, product, days in bought
    ]


@cache
def candidates_of_everybody(shared_buyers: int = 5) -> str:
    """A query for the candidates of all who are learned from, as of now."""
    return text_sql(
        "with product_pairs as (from int_predictions__product_pairs where cut_number = 0),"
        " popular_products as (from int_predictions__popular_products where cut_number = 0),"
        " histories as (select * replace (substr(customer_id, 6) as customer_id)"
        " from int_predictions__purchases where cut_number = 0),"
        " {{ candidates_of_histories() }} select * from candidates",
        next_products_shared_buyers=shared_buyers,
    )


def world(people: int, seed: int, *, of_a_kind: float, again: float) -> list[Line]:
    """A shop of 60 products in 6 kinds, five orders a person in a year. `of_a_kind`: how probable it is that what is
    bought is of the person's own kind; `again`: that it is something the person had before."""
    chance = Random(seed)
    lines: list[Line] = []
    for person in range(people):
        kind, had = chance.randrange(6), list[int]()
        for order in range(5):
            when = AS_OF - timedelta(days=360 - 72 * order - chance.randrange(70), seconds=chance.randrange(9999))
            for _ in range(3):
                if had and chance.random() < again:
                    product = chance.choice(had)
                elif chance.random() < of_a_kind:
                    product = kind * 10 + chance.randrange(10)
                else:
                    product = chance.randrange(60)
                had.append(product)
                lines.append((f"o{person}-{order}", f"c{person:04}", f"p{product:02}", when))
    return lines


@given(purchases)
@settings(max_examples=15, deadline=None)
def test_cosine_is_that_of_an_oracle(bought: list[tuple[int, int, int]]) -> None:
    with house(as_lines(bought)) as connection:
        look(connection, AS_OF, next_products_shared_buyers=2)
        found = {
            (one, other): (shared, cosine)
            for one, other, shared, cosine in connection.sql(
                "select product_id, other_product_id, shared_buyers, cosine"
                " from int_predictions__product_pairs where cut_number = 0"
            ).fetchall()
        }
    matrix = np.zeros((9, 7))
    for person, product, _ in bought:
        matrix[person, product] = 1
    both = matrix.T @ matrix
    length = np.sqrt(np.diag(both))
    expected = {
        (f"p{i}", f"p{j}"): (both[i, j], both[i, j] / (length[i] * length[j]))
        for i in range(7)
        for j in range(7)
        if i != j and both[i, j] >= 2
    }
    assert found.keys() == expected.keys()
    for pair, (shared, cosine) in found.items():
        assert shared == expected[pair][0]
        assert cosine == pytest.approx(expected[pair][1], abs=1e-8)


@given(purchases)
@settings(max_examples=15, deadline=None)
def test_relatedness_is_that_of_an_oracle(bought: list[tuple[int, int, int]]) -> None:
    with house(as_lines(bought)) as connection:
        look(connection, AS_OF, next_products_shared_buyers=1)
        similarity = {
            (one, other): value
            for one, other, value in connection.sql(
                "select product_id, other_product_id, similarity from int_predictions__product_pairs"
                " where cut_number = 0"
            ).fetchall()
        }
        found = connection.sql(
            f"select customer_id, product_id, relatedness, reason_product_id from ({candidates_of_everybody(1)})"
            " where relatedness is not null"
        ).fetchall()
    days = defaultdict(set)
    for person, product, before in bought:
        days[f"c{person}", f"p{product}"].add(before)
    last = {who: min(d for (one, _), all_ in days.items() if one == who for d in all_) for who, _ in days}
    hints: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for (person_id, own), befores in days.items():
        for (one, other), value in similarity.items():
            if one == own:
                hint = np.log(1 + len(befores)) * 0.5 ** ((min(befores) - last[person_id]) / 90) * value
                hints[person_id, other][own] = hint
    assert {(person_id, product) for person_id, product, _, _ in found} == hints.keys()
    for person_id, product, relatedness, reason in found:
        of = hints[person_id, product]
        assert relatedness == pytest.approx(sum(of.values()), abs=1e-6)
        assert of[reason] == pytest.approx(max(of.values()), abs=1e-8)


@given(purchases, purchases, st.integers(0, 60))
@settings(max_examples=15, deadline=None)
def test_what_comes_after_a_cut_changes_nothing_known_at_it(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], number: int
) -> None:
    # cuts lie 90 and 180 days back: the oldest line keeps the history as long as it is
    known = [("o-first", "c-first", "p0", AS_OF - timedelta(days=700))]
    known += as_lines([(person, product, 90 + days) for person, product, days in before])
    late = [(f"late-{order}", *rest) for order, *rest in as_lines([(a, b, c % 90) for a, b, c in after])]
    cancelled = {line[0]: AS_OF - timedelta(days=number) for line in known[:number]}
    tables = {}
    for name, lines, cancellations in (("bare", known, {}), ("more", [*known, *late], cancelled)):
        with house(lines, cancellations) as connection:
            look(connection, AS_OF, next_products_shared_buyers=1)
            tables[name] = [
                connection.sql(
                    f"select * exclude (changed_at) from {table} where cut_number > 0 order by all"
                ).fetchall()
                for table in (
                    "int_predictions__purchases",
                    "int_predictions__product_pairs",
                    "int_predictions__popular_products",
                )
            ]
    assert tables["bare"] == tables["more"]


def test_an_order_counts_until_it_is_cancelled() -> None:
    lines = [
        ("o1", "c1", "p1", AS_OF - timedelta(days=700)),
        ("o2", "c1", "p2", AS_OF - timedelta(days=300)),
        ("o3", "c1", "p3", AS_OF - timedelta(days=300)),
        ("o4", "c1", "p4", AS_OF - timedelta(days=300)),
    ]
    cancelled = {"o2": AS_OF - timedelta(days=100), "o3": AS_OF - timedelta(days=10), "o4": None}
    with house(lines, cancelled) as connection:
        look(connection, AS_OF)
        known = connection.sql(
            "select cut_number, list(product_id order by product_id) from int_predictions__purchases group by all"
        ).fetchall()
    assert dict(known) == {0: ["p1"], 1: ["p1", "p3"], 2: ["p1", "p2", "p3"]}


def test_one_buyer_of_everything_does_not_make_all_pairs() -> None:
    """700 products would be 244,650 pairs; the 200 that are bought most often are 19,900."""
    lines = [("o1", "dealer", f"p{product:03}", AS_OF - timedelta(days=1)) for product in range(700)]
    lines += [("o2", "dealer", f"p{product:03}", AS_OF - timedelta(days=2)) for product in range(500, 700)]
    with house(lines) as connection:
        look(connection, AS_OF, next_products_shared_buyers=1, next_products_neighbours=1000)
        pairs, first = connection.sql(
            "select count(*), min(product_id) from int_predictions__product_pairs where cut_number = 0"
        ).fetchall()[0]
    assert pairs == 200 * 199
    assert first == "p500"


def judged(lines: list[Line]) -> Fit:
    with house(lines) as connection:
        look(connection, AS_OF)
        return judge(connection)


def figures(fit: Fit) -> dict[str, tuple[float, float | None]]:
    return {figure.metric: (figure.value, figure.naive_value) for figure in fit.figures}


def test_a_shop_whose_people_have_a_taste_is_published() -> None:
    fit = judged(world(400, 1, of_a_kind=0.9, again=0.1))
    assert fit.is_published, fit.reason
    measured = figures(fit)
    rate, popular = measured["hit_rate_at_10_against_popularity"]
    again = measured["hit_rate_at_10_against_buys_again"][1]
    assert rate > 0.9 and popular is not None and again is not None
    assert rate > popular + 0.3 and rate > again
    new, new_and_popular = measured["hit_rate_at_10_of_new_products"]
    assert new_and_popular is not None and new > new_and_popular + 0.2
    assert measured["calibration_error"][0] < 0.06


def test_a_shop_whose_people_only_repeat_is_not() -> None:
    fit = judged(world(300, 2, of_a_kind=0.0, again=1.0))
    assert not fit.is_published
    assert "is not surely better" in fit.reason and next_products.AGAIN in fit.reason


def test_too_few_people_are_not_judged() -> None:
    fit = judged(world(50, 3, of_a_kind=0.9, again=0.1))
    assert not fit.is_published
    assert fit.reason.startswith("too few people who ordered again")
    assert judged([("o1", "c1", "p1", AS_OF)]).reason.startswith("too short a history")


def test_lists_hold_ten_products_of_the_catalogue_and_their_reasons() -> None:
    with house(world(400, 1, of_a_kind=0.9, again=0.1)) as connection:
        connection.execute("update products set is_in_catalogue = product_id not like '%3'")
        look(connection, AS_OF)
        fit = judge(connection)
        recommend(connection, fit)
        rows = connection.sql(
            "select customer_id, product_rank, product_id, score, reason_product_id, model_version"
            " from next_products order by customer_id, product_rank"
        ).fetchall()
        owned = set(
            connection.sql(
                "select substr(customer_id, 6), product_id from int_predictions__purchases where cut_number = 0"
            ).fetchall()
        )
        best = connection.sql(
            f"select {', '.join(next_products.FEATURES)} from ({candidates_of_everybody()})"
            " join next_products using (customer_id, product_id)"
            " order by customer_id, product_rank"
        ).fetchnumpy()
    assert len(rows) == 400 * 10
    assert {row[5] for row in rows} == {fit.version}
    assert not {row[2] for row in rows if row[2].endswith("3")}
    assert all(row[4] == row[2] for row in rows if (row[0], row[2]) in owned)
    assert all((row[0], row[4]) in owned for row in rows if row[4] is not None)
    for earlier, later in pairwise(rows):
        if earlier[0] == later[0]:
            assert later[1] == earlier[1] + 1 and later[3] <= earlier[3]
    # SQL weighs as Python does
    x = np.column_stack([best[name] for name in next_products.FEATURES])
    said = next_products.chances(x, dict(fit.parameters))
    assert np.array([row[3] for row in rows]) == pytest.approx(said, abs=1e-6)


def test_nothing_is_recommended_when_it_is_not_published() -> None:
    with house(world(50, 3, of_a_kind=0.9, again=0.1)) as connection:
        look(connection, AS_OF)
        recommend(connection, judge(connection))
        assert connection.table("next_products").fetchall() == []


def recommended(connection: duckdb.DuckDBPyConnection, table: str = "next_products") -> list[tuple[object, ...]]:
    return connection.sql(f"select * exclude (changed_at) from {table} order by all").fetchall()


def moments_taken(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.sql("select moment, changed_at from int_predictions__basket_moments order by all").fetchall()


def anew(connection: duckdb.DuckDBPyConnection, as_of: datetime, **variables: int) -> list[tuple[object, ...]]:
    """The recommendations of a warehouse that is built from nothing out of the same orders and catalogue."""
    with duckdb.connect() as other:
        other.execute("set threads = 1")
        for table in ("customer_order_lines", "cancellations", "products"):
            other.register("given", connection.table(table).to_arrow_table())
            other.execute(f"create table {table} as from given")
        complete(other)
        look(other, as_of, **variables)
        recommend(other, judge(other))
        return recommended(other)


def order(connection: duckdb.DuckDBPyConnection, lines: Iterable[Line]) -> None:
    """Put lines of one piece each into the warehouse."""
    for line in lines:
        connection.execute(
            "insert into customer_order_lines (order_id, customer_id, product_id, ordered_at, quantity)"
            " values (?, ?, ?, ?, 1)",
            list(line),
        )
    complete(connection)


@pytest.mark.parametrize("seed", range(2))
def test_days_leave_what_a_new_warehouse_has(seed: int) -> None:
    """Orders, late ones, cancellations, merged people, articles that leave the catalogue and come back."""
    chance = Random(seed)
    lines = world(240, seed, of_a_kind=0.9, again=0.1)
    later = [line for line in lines if chance.random() < 0.02]
    with house([line for line in lines if line not in set(later)]) as connection:
        connection.execute("insert into products values ('never sold', true)")
        look(connection, AS_OF)
        recommend(connection, judge(connection))
        assert recommended(connection)
        for day in range(1, 7):
            moment, learned = AS_OF + timedelta(days=day), moments_taken(connection)
            late = [later.pop() for _ in range(min(len(later), chance.randrange(8)))] if day % 3 == 0 else []
            new = [(f"new{day}-{n}", f"c{n:04}", f"p{n % 60:02}", moment) for n in range(chance.randrange(4))]
            order_id, _, product, _ = chance.choice(lines)
            is_changed = bool(late)
            match chance.randrange(4):
                case 0:
                    connection.execute("insert into cancellations values (?, ?)", [order_id, moment])
                case 1:
                    connection.execute(
                        "update customer_order_lines set customer_id = 'c0001' where customer_id = 'c0002'"
                    )
                case 2:
                    is_changed = True
                    connection.execute(
                        "update products set is_in_catalogue = not is_in_catalogue where product_id = ?", [product]
                    )
            order(connection, [*late, *new])
            before = dict(
                connection.sql("select customer_id, max(changed_at) from next_products group by 1").fetchall()
            )
            go_on(connection, moment)
            assert recommended(connection) == anew(connection, moment)
            after = dict(connection.sql("select customer_id, max(changed_at) from next_products group by 1").fetchall())
            bought = {line[1] for line in new}
            assert bought & after.keys() <= {one for one, at in after.items() if at != before.get(one)}
            assert (moments_taken(connection) != learned) == is_changed


def test_it_is_time_to_learn_again_in_another_month_and_when_the_past_is_another() -> None:
    with house(world(240, 1, of_a_kind=0.9, again=0.1)) as connection:
        look(connection, AS_OF)
        recommend(connection, judge(connection))
        taken = [moments_taken(connection)]

        def learns(as_of: datetime, **variables: int) -> bool:
            go_on(connection, as_of, **variables)
            taken.append(moments_taken(connection))
            assert len(taken[-1]) == 3
            for table in ("purchases", "product_pairs", "popular_products", "next_baskets", "next_products_fit"):
                times = connection.sql(
                    f"select min(changed_at), max(changed_at) from int_predictions__{table}"
                ).fetchall()
                assert times[0][0] == times[0][1] and times[0][0] >= taken[-1][0][1]
            assert recommended(connection) == anew(connection, as_of, **variables) != []
            return taken[-1] != taken[-2]

        assert not learns(AS_OF)
        assert not learns(datetime(2026, 1, 31, 23, 59))
        assert learns(datetime(2026, 2, 1))
        assert learns(datetime(2026, 1, 31)), "what was learned knew more than was known then"
        assert learns(datetime(2026, 1, 31), next_products_neighbours=19)
        assert learns(datetime(2026, 1, 31))
        order(connection, [(f"n{n}", "c0001", "p01", datetime(2026, 1, 5)) for n in range(119)])
        assert not learns(datetime(2026, 1, 31)), "orders of this month are not learned from yet"
        order(connection, [("late", "c0001", "p01", datetime(2025, 12, 30))])
        assert learns(datetime(2026, 1, 31))


def test_a_shop_without_a_catalogue_recommends_what_it_sold() -> None:
    with house(world(150, 1, of_a_kind=0.9, again=0.1)) as connection:
        connection.execute("update products set is_in_catalogue = false")
        look(connection, AS_OF)
        assert connection.sql("select bool_and(is_on_sale) from int_predictions__basket_lines").fetchall() == [(True,)]


def test_the_rule_to_beat_breaks_ties_by_time_and_then_by_popularity() -> None:
    cut = next_products.Cut(
        ["c"] * 4,
        ["a", "b", "d", "e"],
        np.zeros((4, 8)),
        np.array([1.0, 2.0, 3.0, np.nan]),
        np.array([np.nan, 2.0, 1.0, 3.0]),
        {"c": {"a"}},
    )
    own, orders, age = np.array([1, 1, 1, 0.0]), np.array([1, 1, 1, 0.0]), np.array([5, 2, 2, 0.0])
    place = np.array([np.inf, 2, 1, 3])
    assert cut.first(-own, -orders, age, place) == {"c": ["d", "b", "a", "e"]}
    assert cut.first_new(place) == {"c": ["e"]}


def test_sql_and_python_name_the_same_features() -> None:
    model = (ROOT / "models" / "predictions" / "next_products.sql").read_text()
    macro = (ROOT / "dbt_project" / "macros" / "recommendations.sql").read_text()
    listed = re.findall(r"'(x_\w+)'", model.split("set features")[1].split("%}")[0])
    assert tuple(listed) == next_products.FEATURES == tuple(re.findall(r"as (x_\w+)", macro))


@pytest.mark.skipif(not INVOICES.exists(), reason="needs ../shared/data/online_retail")
def test_a_sample_of_real_invoices() -> None:
    """Dealers buy the same again: with few of them it is not sure that anything beats "buys again"."""
    found = run(sample=600)
    fit = found["fit"]
    measured = figures(fit)
    rate, popular = measured["hit_rate_at_10_against_popularity"]
    new, new_and_popular = measured["hit_rate_at_10_of_new_products"]
    again = measured["hit_rate_at_10_against_buys_again"][1]
    assert popular is not None and new_and_popular is not None and again is not None
    assert rate > popular + 0.15 and new > new_and_popular and rate > again - 0.01
    assert measured["calibration_error"][0] < 0.02
    found["connection"].close()


@pytest.mark.slow
@pytest.mark.skipif(not INVOICES.exists(), reason="needs ../shared/data/online_retail")
def test_real_invoices_are_published() -> None:
    found = run()
    assert found["fit"].is_published, found["fit"].reason
    found["connection"].close()
