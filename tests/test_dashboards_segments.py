# ruff: noqa: F811 - fixtures of another file
"""The page about segments: who is in, who is reached, and nobody by name."""

import re
from pathlib import Path

import duckdb
import pytest
from dashboards_house import apart, one, open_page, said, shown, tables, use, warehouse  # noqa: F401 - fixtures
from insights_house import changed, charted, emptied, table

from dashboards.layout import words
from kinship.published.publication import Publication


def test_a_link_opens_a_segment(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("segments", segment="cart_abandoned_4_hours")
    assert app.selectbox(key="segment_shown").value == "cart_abandoned_4_hours"
    assert app.metric[0].label == "Members"
    assert app.metric[0].value == str(one(warehouse, "select count(*) from segments.cart_abandoned_4_hours"))
    told = said(app)
    assert "People who filled a cart in the last 7 days" in told
    assert "owner growth@example.com" in told
    assert "purpose **Marketing**" in told
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links == {name: f"sync={name}" for name in ("sync_file__cart_abandoned", "sync_vtiger__contacts")}


def test_a_link_to_no_segment_says_so(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("segments", segment="<script>alert(1)</script>")
    assert "names a segment that is not published" in said(app)
    assert "script" not in said(app)
    largest = "select segment from reporting.rpt_segment_sizes order by member_count desc limit 1"
    assert app.selectbox(key="segment_shown").value == one(warehouse, largest)
    assert app.query_params["segment"] == one(warehouse, largest)


def test_every_segment_is_counted(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("segments")
    found = table(app, "segment", "member_count").set_index("segment")["member_count"]
    members = {name: one(warehouse, f"select count(*) from segments.{name}") for name in found.index}
    assert len(members) == len(app.selectbox(key="segment_shown").options) > 20
    assert found.to_dict() == members
    for name in (found.idxmin(), found.idxmax()):
        app = app.selectbox(key="segment_shown").set_value(name).run()
        assert not app.exception
        assert app.metric[0].value == f"{members[name]:,}"
    assert members[found.idxmin()] == 0


def test_reach_counts_consent_with_an_address(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    segment = one(warehouse, "select segment from reporting.rpt_segment_sizes order by member_count desc limit 1")
    bars = charted(open_page("segments", segment=segment), "what", "answer", "people")
    found = bars.set_index(["what", "answer"])["people"]
    people = warehouse.execute(
        f"""
        select customers.customer_id, customers.email, customers.phone, list((purpose, channel, status, is_allowed))
        from customers.customers inner join segments.{segment} using (customer_id)
        left join customers.customer_consents as consents using (customer_id)
        group by all
        """
    ).fetchall()
    counts: dict[tuple[str, str], int] = {}
    for _, email, phone, consents in people:
        for purpose, channel, status, is_allowed in consents:
            if purpose is None:
                continue
            address = {"email": email, "sms": phone, "phone": phone}.get(channel, "none needed")
            answer = (
                ("Reachable" if address else "Agreed, no address")
                if is_allowed
                else "Said no"
                if status in ("denied", "withdrawn")
                else "Never asked"
            )
            what = f"{purpose.capitalize()}, {'SMS' if channel == 'sms' else channel}"
            counts[what, answer] = counts.get((what, answer), 0) + 1
    assert any(answer == "Reachable" for _, answer in counts)
    for (what, answer), number in counts.items():
        if answer != "Never asked":
            assert found[what, answer] == number, (what, answer)
    assert (bars.groupby("what")["people"].sum() == len(people)).all()


def test_sizes_show_from_the_second_build_on(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    assert "Counted once so far." in said(open_page("segments", segment="loyal_customers"))
    sizes = """
        insert into reporting.rpt_segment_sizes
            (segment, as_of, member_count, entered_count, left_count, share_of_customers)
        values ('loyal_customers', '2026-07-01 08:00:00', 40, 9, 2, 0.1),
            ('loyal_customers', '2026-07-01 20:00:00', 41, 3, 2, 0.1)
    """
    use(monkeypatch, changed(company, tmp_path / "later", [sizes]))
    app = open_page("segments", segment="loyal_customers")
    assert [metric.value for metric in app.metric[:3]] == ["41", "3", "2"]
    by_day = charted(app, "day", "member_count").set_index("day")["member_count"]
    assert by_day["2026-07-01"] == 41  # the last of the day
    moves = charted(app, "day", "kind", "people").set_index(["day", "kind"])["people"]
    assert (moves["2026-07-01", "Came in"], moves["2026-07-01", "Left"]) == (12, -4)


def test_overlap_is_that_of_the_people(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    pair = "select segment, other_segment from reporting.rpt_segment_overlap order by both_count desc, 1 limit 1"
    segment, other = warehouse.execute(pair).fetchall()[0]
    both = one(warehouse, f"select count(*) from segments.{segment} semi join segments.{other} using (customer_id)")
    bars = charted(open_page("segments", segment=segment), "other", "both_count")
    assert bars.set_index("other")["both_count"][words(other)] == both > 0


def test_nobody_appears_by_name(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("segments", segment="loyal_customers")
    texts = said(app) + "".join(element.value.to_csv() for element in app.dataframe)
    owners = {row[0] for row in warehouse.execute("select owner from reporting.rpt_segments").fetchall()}
    assert set(re.findall(r"[\w.+-]+@[\w.-]+\w", texts)) <= owners
    for (name,) in warehouse.execute(
        "select full_name from customers.customers where full_name is not null"
    ).fetchall():
        assert name not in texts


def test_an_empty_warehouse_says_what_is_missing(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    use(monkeypatch, emptied(company, tmp_path / "empty"))
    assert "No segment is published." in said(open_page("segments"))


def test_segments_without_members_or_consents(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    bare = [
        "delete from customers.customer_consents",
        "delete from reporting.rpt_segment_overlap",
        "update reporting.rpt_segments set syncs = ''",
        "delete from reporting.rpt_segment_sizes where segment = 'churn_likely'",
    ]
    use(monkeypatch, changed(company, tmp_path / "bare", bare))
    told = said(open_page("segments"))
    for missing in ("Nobody's consent is known", "No sync reads it.", "Fewer than two segments have members."):
        assert missing in told
    assert "This segment has not been built yet." in said(open_page("segments", segment="churn_likely"))
