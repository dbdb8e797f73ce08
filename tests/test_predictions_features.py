"""What a feature knows: the SQL of the models as it stands, against changes of what comes after the moment."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from predictions_house import FEATURES, house, look, model_sql

NOW = datetime(2026, 1, 1, 12)
KNOWING = [name for name in FEATURES if name.endswith("_features")]

# an example takes a tenth of a second: making a failing one smaller would take minutes
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)

Row = tuple[Any, ...]


def at(days: float) -> datetime:
    """So many days after the moment looked from."""
    return NOW + timedelta(days=days)


# half of all lies within days of the moment, where a leak would show
moments = st.one_of(st.integers(-400, 200), st.integers(-16, 8)).map(lambda half_days: at(half_days / 2))
people = st.sampled_from(["ann", "bob"])
money = st.none() | st.integers(-500, 9999).map(lambda cents: Decimal(cents) / 100)


@st.composite
def orders(draw: st.DrawFn) -> Row:
    ordered = draw(moments)
    cancelled = draw(st.none() | st.integers(0, 60).map(lambda days: ordered + timedelta(days=days)))
    status = "cancelled" if cancelled else draw(st.sampled_from(["open", "paid", "cancelled"]))
    return draw(people), status, draw(money), ordered, cancelled


@st.composite
def events(draw: st.DrawFn) -> Row:
    kind, channel = draw(
        st.sampled_from(
            [
                ("email_received", "email"),
                ("email_opened", "email"),
                ("email_clicked", "email"),
                ("sms_received", "sms"),
                ("product_added", "web"),
                ("ticket_opened", "support"),
            ]
        )
    )
    occurred = draw(moments)
    received = draw(st.none() | st.integers(0, 9).map(lambda days: occurred + timedelta(days=days)))
    return draw(people), kind, channel, draw(st.sampled_from([None, "spring", "autumn"])), occurred, received


worlds = st.fixed_dictionaries(
    {
        "customer_orders": st.lists(orders(), min_size=4, max_size=12),
        "customer_refunds": st.lists(st.tuples(st.integers(0, 14), people, money, moments), min_size=3, max_size=8),
        "customer_events": st.lists(events(), min_size=6, max_size=20),
    }
)


def tables(world: dict[str, list[Row]], prefix: str = "") -> dict[str, list[Row]]:
    """The world with ids; a refund is of the order of that number, or of none."""
    return {
        "customer_orders": [(f"{prefix}o{number}", *row) for number, row in enumerate(world["customer_orders"])],
        "customer_refunds": [
            (f"{prefix}r{number}", f"o{order}" if order < 6 else None, *row)
            for number, (order, *row) in enumerate(world["customer_refunds"])
        ],
        "customer_events": [(f"{prefix}e{number}", *row) for number, row in enumerate(world["customer_events"])],
    }


def later_alone(world: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """What of a world nobody knew at the moment."""
    return {
        "customer_orders": [row for row in world["customer_orders"] if row[4] > NOW],
        "customer_refunds": [row for row in world["customer_refunds"] if row[4] > NOW],
        "customer_events": [row for row in world["customer_events"] if max(row[5], row[6] or row[5]) > NOW],
    }


def known(filled: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The rest of it, as it was then: an order cancelled since was an order."""
    later = later_alone(filled)
    return {
        name: [
            (*row[:2], "open" if row[5] and row[5] > NOW else row[2], *row[3:5], None)
            if name == "customer_orders"
            and (row[5] is None or row[5] > NOW)
            and not (row[2] == "cancelled" and not row[5])
            else row
            for row in rows
            if row not in later[name]
        ]
        for name, rows in filled.items()
    }


def features(filled: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """All rows of all feature models, at NOW: as the present of one cut, and as the past of another."""
    with house(filled) as connection:
        connection.execute(
            "create table int_predictions__moments as select model, cut_number, ?::timestamp as moment,"
            " 60 as horizon_days from (values ('expected_value'), ('churn'), ('campaign_propensity')) as m (model),"
            " (values (0), (1)) as c (cut_number)",
            [NOW],
        )
        for name in KNOWING:
            connection.execute(f"create table {name} as {model_sql(name)}")
        return {name: connection.sql(f"from {name} order by all").fetchall() for name in KNOWING}


@given(worlds, worlds)
@settings(max_examples=12, deadline=None, phases=QUICK)
def test_the_future_changes_no_feature(world: dict[str, list[Row]], other: dict[str, list[Row]]) -> None:
    """Take away all that came later, or put another future in its place: what is known now stays the same."""
    filled = tables(world)
    told = features(filled)
    then = known(filled)
    assert features(then) == told
    another = later_alone(tables(other, prefix="x"))
    assert features({name: then[name] + another[name] for name in then}) == told


@given(worlds)
@settings(max_examples=6, deadline=None, phases=QUICK)
def test_a_cut_knows_what_now_knows(world: dict[str, list[Row]]) -> None:
    for name, rows in features(tables(world)).items():
        place = 0 if name == "int_predictions__campaign_features" else 1
        now, then = ([row[:place] + row[place + 1 :] for row in rows if row[place] == cut] for cut in (0, 1))
        assert now == then, name


def order(number: int, days: float, amount: float | None = 10, status: str = "paid", gone: float | None = None) -> Row:
    cancelled = None if gone is None else at(gone)
    return f"o{number}", "ann", status, amount, at(days), cancelled


def row(table: str, columns: str, filled: dict[str, list[Row]], **variables: Any) -> Row | None:
    with house(filled) as connection:
        look(connection, NOW, **variables)
        found = connection.execute(
            f"select {columns} from {table} where cut_number = ?", [0 if "features" in table else 1]
        )
        return found.fetchone()


def test_orders_as_they_were_known() -> None:
    """Two on one day are one; cancelled before is none, cancelled after is one; money that had gone back by then."""
    filled = {
        "customer_orders": [
            order(1, -50),
            order(2, -49.9),
            order(3, -20, 7, "cancelled", gone=-19),
            order(4, -10, 40, "cancelled", gone=2),
            order(5, -5, 99, "cancelled"),
            order(6, 3, 1000),
            order(7, -8, None),
        ],
        "customer_refunds": [
            ("r1", "o1", "ann", 4, at(-3)),
            ("r2", "o1", "ann", 5, at(1)),
            ("r3", "o3", "ann", 7, at(-18)),
            ("r4", None, "ann", 1, at(-2)),
        ],
    }
    columns = "order_days, recency_days, age_days, order_days_30, value_eur"
    # orders 1, 2, 4 and 7: charged 10 + 10 + 40, given back 4 and 1; the cancelled order's refund is not of them
    assert row("int_predictions__order_features", columns, filled) == (3, 42, 50, 2, 55.0)


def test_outcomes_are_what_was_known_when_the_window_closed() -> None:
    filled = {
        "customer_orders": [
            order(1, -200),
            order(2, -90),
            order(3, -89.9, 20),
            order(4, -10, 30, "cancelled", gone=-5),
            order(5, 0.5, 999),
        ],
        "customer_refunds": [("r1", "o1", "ann", 2, at(-1)), ("r2", "o4", "ann", 30, at(-1))],
    }
    with house(filled) as connection:
        look(connection, NOW)
        found = connection.execute(
            "select order_days_after, value_after_eur from int_predictions__order_outcomes"
            " where model = 'churn' and cut_number = 1"
        ).fetchall()
    # the moment itself belongs to what was known: order 2 lies before the window
    assert found == [(1, 18.0)]


def test_an_event_told_late_was_not_known() -> None:
    events = [
        ("e1", "ann", "product_added", "web", None, at(-100), at(-100)),
        ("e2", "ann", "product_added", "web", None, at(-40), at(-39)),
        ("e3", "ann", "product_viewed", "web", None, at(-1), at(1)),
        ("e4", "ann", "email_received", "email", "spring", at(-1), None),
        ("e5", "ann", "email_opened", "email", "spring", at(-0.5), None),
    ]
    filled = {"customer_orders": [order(1, -50)], "customer_events": events}
    columns = "events_90, events_30, carts_90, answers_90, tickets_90"
    assert row("int_predictions__activity_features", columns, filled) == (2, 1, 1, 1, 0)


@pytest.mark.parametrize(
    ("campaign", "hours", "answered"),
    [
        ("spring", 1, 1),
        ("spring", 24 * 7, 1),
        ("spring", 24 * 7 + 1, 0),
        ("autumn", 1, 0),
        (None, 1, 1),
        ("spring", -1, 0),
    ],
)
def test_an_answer_belongs_to_its_message(campaign: str | None, hours: int, answered: int) -> None:
    sent = at(-30)
    events = [
        ("e0", "ann", "email_received", "email", "winter", at(-60), None),
        ("e1", "ann", "email_received", "email", "spring", sent, None),
        ("e2", "ann", "email_clicked", "email", campaign, sent + timedelta(hours=hours), None),
        ("e3", "ann", "email_received", "email", "later", at(-20), None),
        ("e4", "ann", "email_clicked", "email", "later", at(-19.9), None),
    ]
    filled = {"customer_events": events}
    found = row("int_predictions__campaign_outcomes", "customer_id, channel, has_answered", filled)
    assert found == ("ann", "email", answered)


@pytest.mark.parametrize(
    ("history", "spans"),
    [
        (1000, [(0, 365), (365, 365), (682, 317)]),
        (800, [(0, 365), (365, 365), (582, 217)]),
        (200, [(0, 100), (100, 100), (150, 50)]),
        (1, [(0, 0)]),
    ],
)
def test_as_far_back_as_it_is_asked_ahead(history: int, spans: list[tuple[int, int]]) -> None:
    """A year ahead, or half the history; the earlier cut as far again, or half of what is left."""
    with house({"customer_orders": [order(1, -history)]}) as connection:
        look(connection, NOW)
        found = connection.execute(
            "select date_diff('day', moment, ?::timestamp), horizon_days from int_predictions__moments"
            " where model = 'expected_value' order by cut_number",
            [NOW],
        ).fetchall()
    assert found == spans


def test_a_few_ancient_orders_are_no_history() -> None:
    rows = [order(0, -5000), *(order(number, -number * 4) for number in range(1, 51))]
    with house({"customer_orders": rows}) as connection:
        look(connection, NOW)
        (days,) = connection.execute(
            "select horizon_days from int_predictions__moments where model = 'expected_value' and cut_number = 1"
        ).fetchone() or (0,)
    assert days == pytest.approx(98, abs=2)


def test_classifiers_learn_from_some_and_speak_of_all() -> None:
    rows = [(f"o{n}", f"{n:03}", "paid", 10, at(-300), None) for n in range(20)]
    with house({"customer_orders": rows}) as connection:
        look(connection, NOW, predictions_learners=5)
        counts = dict(
            connection.execute(
                "select cut_number, count(*) from int_predictions__order_features where model = 'churn' group by 1"
            ).fetchall()
        )
        lowest = connection.execute(
            "select max(customer_id) from int_predictions__order_features where model = 'churn' and cut_number = 1"
        ).fetchone()
    assert counts == {0: 20, 1: 5, 2: 5, 3: 5}
    assert lowest == ("004",)


def test_nothing_at_all_is_no_error() -> None:
    with house() as connection:
        look(connection, NOW)
        for name in KNOWING:
            assert connection.sql(f"select count(*) from {name}").fetchone() == (0,)
        connection.execute("update int_customers__as_of set as_of = null")
        connection.execute(f"create or replace table nothing as {model_sql('int_predictions__moments')}")


def test_the_test_would_see_a_leak() -> None:
    """The same comparison on SQL that looks ahead."""
    filled = {"customer_orders": [order(1, -5), order(2, 5)]}
    sql = model_sql("int_predictions__order_features").replace("orders.ordered_at <= people.moment", "true")
    with house(filled) as connection:
        look(connection, NOW)
        leaking = connection.sql(f"select order_days from ({sql})").fetchall()
        honest = connection.sql("select order_days from int_predictions__order_features").fetchall()
    assert leaking != honest
