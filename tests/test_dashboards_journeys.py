# ruff: noqa: F811 - fixtures of another file
"""The page about journeys: moves, funnel, paths and attribution are those of the tables."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from dashboards_house import apart, open_page, said, shown, tables, use, warehouse  # noqa: F401 - fixtures
from insights_house import changed, charted, emptied, table

from dashboards.journeys.funnel import steps
from dashboards.metrics import month_before
from kinship.published.publication import Publication


def moves(app: Any) -> dict[str, int]:
    """The bands of the Sankey diagram, by what they are called."""
    (chart,) = app.get("plotly_chart")
    link = json.loads(chart.proto.spec)["data"][0]["link"]
    return dict(zip(link["customdata"], link["value"], strict=True))


@pytest.mark.parametrize("period", ["1 month", "3 months", "All"])
def test_bands_are_moves_of_people(shown: Publication, warehouse: duckdb.DuckDBPyConnection, period: str) -> None:
    since = {"1 month": "2026-06-01", "3 months": "2026-04-01", "All": "0001-01-01"}[period]
    expected = warehouse.execute(
        """
        select previous_stage, stage, count(*) from customers.customer_lifecycle
        where previous_stage is not null and entered_at >= cast(? as date) group by all
        """,
        [since],
    ).fetchall()
    named = {f"{told(a)} → {told(b)}": n for a, b, n in expected}
    assert named
    assert moves(open_page("journeys", period=period)) == named


def told(stage: str) -> str:
    return stage.replace("_", " ").capitalize()


def test_people_seen_for_the_first_time_come_on_demand(
    shown: Publication, warehouse: duckdb.DuckDBPyConnection
) -> None:
    app = open_page("journeys", period="All").toggle(key="with_new").set_value(True).run()
    new = "select count(*) from customers.customer_lifecycle where previous_stage is null and stage = 'visitor'"
    assert moves(app)["New → Visitor"] == warehouse.execute(new).fetchall()[0][0]


def test_the_funnel_counts_visits_of_the_channel(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("journeys", period="All")
    for channel in ("all", "paid_search"):
        app = app.selectbox(key="channel").set_value(channel).run()
        funnel = charted(app, "step", "visits")
        expected = warehouse.execute(
            """
            select sum(visits), sum(product_views), sum(carts), sum(checkouts), sum(orders)
            from reporting.rpt_funnel where ? in ('all', channel)
            """,
            [channel],
        ).fetchall()[0]
        assert tuple(funnel["visits"]) == expected
        assert funnel["of_step_before"].iloc[2] == pytest.approx(int(expected[2]) / int(expected[1]))
    visits = "select count(*) from customers.customer_sessions where channel = 'paid_search'"
    assert charted(app, "step", "visits")["visits"].iloc[0] == warehouse.execute(visits).fetchall()[0][0]


def test_steps_say_where_visits_end() -> None:
    found = steps(
        pd.DataFrame(
            {"visits": [60, 40], "product_views": [50, 30], "carts": [10, 10], "checkouts": [0, 0], "orders": [0, 0]}
        )
    )
    assert found["visits"].to_list() == [100, 80, 20, 0, 0]
    assert found["lost"].to_list() == [20, 60, 20, 0, 0]
    assert found["share"].to_list() == [1.0, 0.8, 0.2, 0.0, 0.0]
    assert found["of_step_before"].to_list()[1:4] == [0.8, 0.25, 0.0]
    assert found["of_step_before"].isna().to_list() == [True, False, False, False, True]


def test_paths_are_the_most_frequent(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("journeys")
    query = "select orders from reporting.rpt_paths where path_kind = ? order by path_rank limit 15"
    for kind in ("channel", "event_type"):
        app = app.get("button_group")[1].set_value(kind).run() if kind == "event_type" else app
        found = table(app, "path", "orders")
        assert found["orders"].to_list() == [row[0] for row in warehouse.execute(query, [kind]).fetchall()]
    assert "Product viewed" in "".join(found["path"])


def test_models_share_out_the_same_orders(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("journeys", period="All")
    found = table(app, "first_touch", "data_driven")
    orders = warehouse.execute("select model, sum(weight) from customers.order_attributions group by all").fetchall()
    assert len(orders) == 5
    for model, number in orders:
        assert found[model].sum() == pytest.approx(number, abs=0.05 * len(found))
    one = """
        select channel, sum(weight) from customers.order_attributions
        where model = 'time_decay' and channel <> 'unattributed' group by all
    """
    marks = charted(app, "channel", "model", "orders")
    marks = marks[marks["model"] == "Time decay"].set_index("channel")["orders"]
    for channel, number in warehouse.execute(one).fetchall():
        assert marks["SMS" if channel == "sms" else told(channel)] == pytest.approx(number)


def test_what_is_missing_is_named(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    use(monkeypatch, emptied(company, tmp_path / "empty"))
    told = said(open_page("journeys"))
    for missing in (
        "Nobody has been seen yet.",
        "There are no visits.",
        "No way to an order is known.",
        "There are no orders.",
    ):
        assert missing in told


def test_orders_without_a_touch_or_long_ago(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    till = ["delete from reporting.rpt_attribution where channel <> 'unattributed'"]
    use(monkeypatch, changed(company, tmp_path / "till", till))
    told = said(open_page("journeys"))
    assert "No order has a touch before it." in told
    assert "100.0% of the orders has no known touch" in told
    past = [
        f"update reporting.{name} set {column} = date '2020-01-01'"
        for name, column in (
            ("rpt_attribution", "month_date"),
            ("rpt_funnel", "week_date"),
            ("rpt_lifecycle_transitions", "month_date"),
        )
    ]
    use(monkeypatch, changed(company, tmp_path / "past", past))
    told = said(open_page("journeys"))
    for missing in ("Nobody moved in this time.", "Nobody visited in this time.", "There are no orders in this time."):
        assert missing in told


def test_looking_back_counts_the_month_it_stands_in(shown: Publication) -> None:
    assert [f"{month_before(shown.as_of, n)}" for n in (0, 2, 11)] == ["2026-06-01", "2026-04-01", "2025-07-01"]
    assert month_before(shown.as_of, 99_999).year == 1
