"""Life cycle, RFM and attribution against what their definitions say, told again without SQL."""

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise, product
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journey_house import ATTRIBUTION, ROOT, VARS, House

from kinship.attribution import NONE, ORDER, START, removal_effects

INVOICES = ROOT.parent / "shared" / "data" / "online_retail" / "online_retail_2009_12_to_2010_11.parquet"
START_DAY = datetime(2026, 1, 1)
DAY = timedelta(days=1)
AT_RISK, LAPSED = (VARS[f"lifecycle_{stage}_days"] * DAY for stage in ("at_risk", "lapsed"))
HOUSE = House()

# ---- life cycle

# around the limits, to the second
GAPS = st.one_of(
    st.sampled_from([days * DAY + second * timedelta(seconds=1) for days in (0, 60, 120) for second in (-1, 0, 1)]),
    st.integers(0, 200).map(lambda days: days * DAY),
).map(lambda gap: max(gap, timedelta(0)))
CONTACTS = st.one_of(st.none(), st.integers(-50, 400).map(lambda days: START_DAY + days * DAY))


def stage_at(
    moment: datetime, seen: datetime | None, identified: datetime | None, orders: Sequence[datetime]
) -> str | None:
    """The stage as docs/journey.md says it, of somebody with these contacts and orders (in order), at a moment."""
    placed = [order for order in orders if order <= moment]
    if not placed:
        if identified is not None and identified <= moment:
            return "lead"
        return "visitor" if seen is not None and seen <= moment else None
    if moment - placed[-1] >= LAPSED:
        return "lapsed"
    if moment - placed[-1] >= AT_RISK:
        return "at_risk"
    if len(placed) == 1:
        return "first_order"
    return "won_back" if placed[-1] - placed[-2] > LAPSED else "active"


def stays(
    as_of: datetime, seen: datetime | None, identified: datetime | None, orders: Sequence[datetime]
) -> list[tuple[str, str | None, datetime, datetime | None]]:
    """Stage, the one before, from and to, by asking for the stage at every moment at which it could change."""
    moments = {seen, identified, *orders, *(order + limit for order in orders for limit in (AT_RISK, LAPSED))} - {None}
    asked = [(stage_at(moment, seen, identified, orders), moment) for moment in sorted(moments) if moment <= as_of]
    runs = [(stage, next(group)[1]) for stage, group in groupby(asked, key=lambda told: told[0]) if stage]
    before = [None, *(stage for stage, _ in runs)]
    after = [*(moment for _, moment in runs[1:]), None]
    return [(stage, before[place], moment, after[place]) for place, (stage, moment) in enumerate(runs)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_lifecycle_is_what_the_stages_mean(data: st.DataObject) -> None:
    as_of = START_DAY + data.draw(st.integers(0, 500)) * DAY
    contacts, orders, expected = [], [], []
    for person in range(data.draw(st.integers(1, 8))):
        seen, identified = data.draw(CONTACTS), data.draw(CONTACTS)
        moment, counted = START_DAY, []
        for number, gap in enumerate(data.draw(st.lists(GAPS, max_size=6))):
            moment += gap
            cancelled = data.draw(st.sampled_from([None, None, None, moment + DAY, moment + 100 * DAY]))
            orders.append(
                (
                    f"{person}-{number}",
                    f"{person}",
                    "shop",
                    "web",
                    "cancelled" if cancelled else "paid",
                    10,
                    moment,
                    cancelled,
                )
            )
            if moment <= as_of and (cancelled is None or cancelled > as_of):
                counted.append(moment)
        if seen is not None or identified is not None:
            contacts.append((f"{person}", seen or identified, identified))
            seen = seen or identified
        expected += [(f"{person}", *stay) for stay in stays(as_of, seen, identified, counted)]
    HOUSE.fill(as_of, int_customers__first_contacts=contacts, customer_orders=orders)
    HOUSE.build("int_customers__counted_orders", "customer_lifecycle")
    told = HOUSE.rows(
        "select customer_id, stage, previous_stage, entered_at, left_at from customer_lifecycle order by 1, 4"
    )
    assert told == sorted(expected, key=lambda row: (row[0], row[3]))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(GAPS, min_size=1, max_size=6), min_size=1, max_size=5), st.integers(0, 400), st.integers(0, 300)
)
def test_a_later_run_tells_the_same_past(people: list[list[timedelta]], first: int, later: int) -> None:
    orders = []
    for person, gaps in enumerate(people):
        moment = START_DAY
        for number, gap in enumerate(gaps):
            moment += gap
            orders.append((f"{person}-{number}", f"{person}", "shop", "web", "paid", 10, moment, None))
    cut = START_DAY + first * DAY
    told = []
    for as_of in (cut, cut + later * DAY):
        HOUSE.fill(as_of, customer_orders=orders)
        HOUSE.build("int_customers__counted_orders", "customer_lifecycle")
        told.append(
            HOUSE.rows(
                "select customer_id, stage, previous_stage, entered_at, case when left_at <= timestamp"
                f" '{cut}' then left_at end from customer_lifecycle where entered_at <= timestamp '{cut}' order by 1, 4"
            )
        )
    assert told[0] == told[1]


# ---- RFM


def test_every_combination_of_scores_has_a_group() -> None:
    with (ROOT / "seeds" / "rfm_groups.csv").open() as file:
        rules = list(csv.DictReader(file))
    for scores in product(range(1, 6), repeat=3):
        fits = [
            rule
            for rule in rules
            if all(
                int(rule[f"{name}_from"]) <= score <= int(rule[f"{name}_to"])
                for name, score in zip(("recency", "frequency", "monetary"), scores, strict=True)
            )
        ]
        assert fits, scores


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=40))
def test_a_score_counts_the_fifths_that_are_worse(buyers: list[tuple[int, int, int]]) -> None:
    as_of = START_DAY + 100 * DAY
    orders = [
        (f"{buyer}-{number}", f"{buyer}", "shop", "web", "paid", euro, as_of - (days + number) * DAY, None)
        for buyer, (days, count, euro) in enumerate(buyers)
        for number in range(count)
    ]
    HOUSE.fill(as_of, customer_orders=orders)
    HOUSE.build("int_customers__counted_orders", "customer_rfm")
    told = HOUSE.rows("from customer_rfm order by cast(customer_id as integer)")
    goodness = [(-days, count, count * euro) for days, count, euro in buyers]
    for row, own in zip(told, goodness, strict=True):
        worse = [sum(other[place] < own[place] for other in goodness) for place in range(3)]
        assert row[4:7] == tuple(1 + 5 * count // len(buyers) for count in worse)


@pytest.mark.skipif(not INVOICES.exists(), reason="the shared test data is not beside the checkout")
def test_real_invoices_give_the_figures_their_readme_tells() -> None:
    """Shared data README: cleaned lines (a customer, no cancellation, quantity and price above 0), at 2010-12-01."""
    HOUSE.fill(datetime(2010, 12, 1))
    HOUSE.connection.execute(
        f"""
        insert into customer_orders
        select invoice_no, customer_id, 'erp', 'store', 'paid', sum(quantity * unit_price), min(invoice_ts), null
        from '{INVOICES}'
        where customer_id is not null and invoice_no not like 'C%' and quantity > 0 and unit_price > 0
        group by invoice_no, customer_id
        """
    )
    HOUSE.build("int_customers__counted_orders", "customer_rfm")
    [figures] = HOUSE.rows(
        "select count(*), sum(frequency), sum(monetary_eur), avg(recency_days), median(recency_days), avg(frequency),"
        " median(frequency), avg(monetary_eur), median(monetary_eur),"
        " avg(case when frequency > 1 then 100 else 0 end) from customer_rfm"
    )
    assert figures[:2] == (4266, 18437)
    assert float(figures[2]) == pytest.approx(8_520_125.27, abs=1)
    told = (88.2, 48, 4.32, 2, 1997.22, 689.07, 66.5)
    for figure, expected, rounding in zip(figures[3:], told, (0.05, 0.5, 0.005, 0.5, 0.005, 0.005, 0.05), strict=True):
        assert float(figure) == pytest.approx(expected, abs=rounding)


# ---- attribution

CHANNELS = ("direct", "email", "paid_search", "sms")


def chain_of(journeys: Sequence[tuple[Sequence[str], bool]]) -> Counter[tuple[str, str]]:
    """The transitions of journeys, each with its channels and whether an order came of it."""
    return Counter(
        step for channels, converted in journeys for step in pairwise((START, *channels, ORDER if converted else NONE))
    )


def effects_of(transitions: Counter[tuple[str, str]]) -> dict[str, float]:
    table = pa.table(
        {
            "from_state": [origin for origin, _ in transitions],
            "to_state": [target for _, target in transitions],
            "transition_count": list(transitions.values()),
        }
    )
    return {row["channel"]: row["removal_effect"] for row in removal_effects(table).to_pylist()}


def reached(transitions: Counter[tuple[str, str]], removed: str | None = None) -> float:
    """How many walkers of one arrive at the order when nobody passes `removed`: by walking, until nobody walks."""
    leaving: Counter[str] = Counter()
    for (origin, _), count in transitions.items():
        leaving[origin] += count
    walking, arrived = {START: 1.0}, 0.0
    while sum(walking.values()) > 1e-13:
        ahead: dict[str, float] = {}
        for (origin, target), count in transitions.items():
            share = walking.get(origin, 0.0) * count / leaving[origin]
            if target == ORDER:
                arrived += share
            elif target not in (NONE, removed):
                ahead[target] = ahead.get(target, 0.0) + share
        walking = ahead
    return arrived


def test_removal_effects_of_a_chain_worked_out_by_hand() -> None:
    """a-b-c leads to an order, a alone and b-c to none: of three walks one arrives; without a every second of those."""
    effects = effects_of(chain_of([("abc", True), ("a", False), ("bc", False)]))
    assert effects == pytest.approx({"a": 0.5, "b": 1.0, "c": 1.0})


def test_without_any_order_there_is_nothing_to_lose() -> None:
    assert effects_of(chain_of([("ab", False)])) == {"a": 0.0, "b": 0.0}
    assert effects_of(Counter()) == {}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), st.booleans()), min_size=1, max_size=25
    )
)
def test_removal_effects_are_what_walkers_lose(journeys: list[tuple[list[str], bool]]) -> None:
    transitions = chain_of(journeys)
    whole = reached(transitions)
    expected = {
        channel: 1 - reached(transitions, channel) / whole if whole else 0.0
        for channel in {step for channels, _ in journeys for step in channels}
    }
    assert effects_of(transitions) == pytest.approx(expected, abs=1e-9)


WINDOW = VARS["attribution_window_days"] * DAY


def path_of(
    order: datetime, touches: Sequence[tuple[str, str, bool, datetime]]
) -> list[tuple[str, str, bool, datetime]]:
    """The touches (id, channel, is own, when) that get credit for an order."""
    near = sorted((t for t in touches if order - WINDOW < t[3] <= order), key=lambda t: (t[3], t[0]))
    return [touch for touch in near if not touch[2]] or near


def journeys_of(
    orders: Sequence[datetime], touches: Sequence[tuple[str, str, bool, datetime]]
) -> list[tuple[list[str], bool]]:
    """A person's touches cut into journeys: each leads to the next order, if that is near enough, or to nothing."""
    journeys: list[tuple[datetime | None, list[tuple[str, str, bool, datetime]]]] = []
    for touch in sorted(touches, key=lambda t: (t[3], t[0])):
        target = next((order for order in sorted(orders) if order >= touch[3]), None)
        if target is not None and target - touch[3] >= WINDOW:
            target = None
        if journeys and journeys[-1][0] == target and touch[3] - journeys[-1][1][-1][3] < WINDOW:
            journeys[-1][1].append(touch)
        else:
            journeys.append((target, [touch]))
    return [
        ([t[1] for t in steps if not t[2]] or [t[1] for t in steps], target is not None) for target, steps in journeys
    ]


HOURS = st.integers(0, 24 * 90)
PEOPLE = st.lists(
    st.tuples(
        st.lists(st.tuples(HOURS, st.sampled_from(CHANNELS)), max_size=8),
        st.lists(st.tuples(HOURS, st.integers(0, 5000)), max_size=4, unique_by=lambda order: order[0]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(PEOPLE)
def test_every_model_shares_orders_out_by_its_definition(people: list[tuple[list[Any], list[Any]]]) -> None:
    touches, orders, journeys, paths, cents = [], [], [], {}, {}
    for person, (own_touches, own_orders) in enumerate(people):
        told = [
            (f"{person}-{number}", channel, channel == "direct", START_DAY + hour * timedelta(hours=1))
            for number, (hour, channel) in enumerate(own_touches)
        ]
        touches += [(touch, f"{person}", channel, None, own, at) for touch, channel, own, at in told]
        placed = [START_DAY + hour * timedelta(hours=1) for hour, _ in own_orders]
        journeys += journeys_of(placed, told)
        for number, (moment, (_, amount)) in enumerate(zip(placed, own_orders, strict=True)):
            key = f"{person}-{number}"
            orders.append((key, f"{person}", "shop", "web", "paid", amount / 100, moment, None))
            paths[key], cents[key] = (moment, path_of(moment, told)), amount
    HOUSE.fill(START_DAY + 100 * DAY, customer_orders=orders, customer_touchpoints=touches)
    HOUSE.build("int_customers__counted_orders", *ATTRIBUTION)

    transitions = chain_of(journeys)
    told_transitions = HOUSE.rows("from int_customers__channel_transitions")
    assert {(origin, target): count for origin, target, count in told_transitions} == dict(transitions)

    effects = {channel: 0.0 for channel in CHANNELS} | {
        channel: 1 - reached(transitions, channel) / (reached(transitions) or 1)
        for channel in {step for steps, _ in journeys for step in steps}
    }
    weights: dict[tuple[str, str], dict[str | None, float]] = {}
    revenue: Counter[tuple[str, str]] = Counter()
    for order, model, touch, weight, amount in HOUSE.rows(
        "select order_id, model, touchpoint_id, weight, revenue_eur from order_attributions"
    ):
        weights.setdefault((order, model), {})[touch] = weight
        revenue[order, model] += round(amount * 100)
    assert len(weights) == 5 * len(orders)
    for (order, model), shares in weights.items():
        moment, path = paths[order]
        assert sum(shares.values()) == pytest.approx(1, abs=1e-9)
        assert revenue[order, model] == cents[order]
        if not path:
            assert shares == {None: 1.0}
            continue
        met = Counter(touch[1] for touch in path)
        raw = {
            "first_touch": [1.0] + [0.0] * (len(path) - 1),
            "last_touch": [0.0] * (len(path) - 1) + [1.0],
            "linear": [1.0] * len(path),
            "time_decay": [0.5 ** ((moment - touch[3]) / (VARS["attribution_half_life_days"] * DAY)) for touch in path],
            "data_driven": [effects[touch[1]] / met[touch[1]] for touch in path],
        }[model]
        # a path of channels without effect is shared evenly
        raw = raw if sum(raw) else [1.0] * len(path)
        due = {touch[0]: share / sum(raw) for touch, share in zip(path, raw, strict=True) if share > 0}
        assert shares == pytest.approx(due, abs=1e-9)
