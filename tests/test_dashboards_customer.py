"""The customer page: whom it finds, and that what it says is what the tables say."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dashboards_house import SIGN_IN, STEWARD, apart, busiest, open_page, published_in, said, tables, use
from streamlit.testing.v1 import AppTest

from dashboards.customer.attributes import RULES
from kinship.published.publication import Publication, write_record

HOSTILE = "<script>alert(1)</script> ![x](http://evil.example/x.png) :material/bug_report: $a$ [l](http://evil.example)"
MERGED = "f" * 32
GONE = "e" * 32


@pytest.fixture
def looking(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publication]:
    """The published company, seen by whoever sits at this machine."""
    yield use(monkeypatch, apart(published, tmp_path / "data"))


@pytest.fixture
def trusted(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publication:
    """The published company, where a sign-in is configured."""
    return use(monkeypatch, apart(published, tmp_path / "data"), **SIGN_IN)


@pytest.fixture(scope="module")
def planted(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publication with an id that was merged away, one whose records are gone, and a name that is an attack."""
    data = tmp_path_factory.mktemp("planted") / "data"
    shutil.copytree(published / "published", data / "published")
    folder = published_in(data).folder
    for name in ("warehouse", "masked"):
        with duckdb.connect(str(folder / f"{name}.duckdb")) as tables:
            one = busiest(tables)
            tables.execute(
                "insert into identity.identity_redirects (customer_id, current_customer_id, is_current)"
                " values (?, ?, false), (?, null, false)",
                [MERGED, one, GONE],
            )
            if name == "warehouse":
                tables.execute("update customers.customers set full_name = ? where customer_id = ?", [HOSTILE, one])
                tables.execute("update customers.customer_tickets set subject = ? where true", [HOSTILE])
    return data


def steward() -> dict[str, Any]:
    """Somebody who may see personal data, signed in just now."""
    return {**STEWARD, "iat": int(datetime.now(UTC).timestamp())}


def asks(page: AppTest, text: str) -> str:
    """Type a text and press Enter. Returns the id of the person shown; empty when there is none."""
    page.text_input(key="asked").set_value(text)
    page.button[0].click().run()
    assert not page.exception
    return page.code[0].value if page.metric else ""


def test_a_person_is_found_by_everything_they_are_known_by(looking: Publication) -> None:
    with tables(looking) as full:
        one = busiest(full)
        known: dict[str, str] = {}
        for kind, value in full.execute(
            "select identifier_type, min(identifier_value) from customers.customer_identifiers"
            " where customer_id = ? and identifier_value in (select identifier_value from"
            " customers.customer_identifiers group by 1 having count(distinct customer_id) = 1) group by 1",
            [one],
        ).fetchall():
            known[kind] = value
        source, record = full.execute(
            "select source, record_id from identity.identity_graph where customer_id = ? order by all", [one]
        ).fetchall()[0]
        known["record"] = f"{source}:{record}"
        order, number = full.execute(
            "select order_id, order_number from customers.customer_orders where customer_id = ? order by all", [one]
        ).fetchall()[0]
        known |= {"order": order, "order number": number, "shouted e-mail": known["email"].upper()}
        known |= {"phone with spaces": " ".join(known["phone"]), "last nine digits": f"0{known['phone'][-9:]}"}
        known["id"] = one
    assert {"email", "phone", "record", "order"} <= known.keys()
    page = open_page("customer", q=known["record"])
    assert page.code[0].value == one and page.query_params["q"] == one, "a link works, and then holds the id alone"
    found = {name: asks(page, value) for name, value in known.items()}
    assert found == dict.fromkeys(known, one)


def test_a_name_of_two_people_lists_both_and_one_click_opens_one(looking: Publication) -> None:
    with tables(looking) as full:
        name, people = full.execute(
            "select full_name, list(customer_id order by customer_id) from customers.customers"
            " where contains(full_name, ' ') group by 1 order by count(*) desc, 1"
        ).fetchall()[0]
        others = full.execute(
            "select list(distinct customer_id) from customers.customer_attribute_candidates"
            " where attribute = 'last_name' and lower(value) = lower(?)", [name.split()[-1]],
        ).fetchall()[0][0]  # fmt: skip
        # an id that gives away an address has another in the masked tables
        shown = dict(full.execute("select customer_id, stand_in from search.stand_ins").fetchall())
    people, others = ([shown.get(one, one) for one in ids] for ids in (people, others))
    page = open_page("customer", q=name.split()[-1].upper())
    listed = {button.key.removeprefix("open_") for button in page.button if button.key.startswith("open_")}
    assert set(people) & set(others) <= listed
    assert f"{len(others)} people by name" in said(page) or len(others) == 1 or len(listed) == 10
    for button in page.button:
        if button.key == f"open_{people[0]}":
            button.click().run()
            break
    assert people[0] in [code.value for code in page.code]


def test_whoever_has_a_stand_in_is_found_by_it_and_by_their_id(looking: Publication) -> None:
    with tables(looking) as full:
        stand_ins = full.execute(
            "select customer_id, stand_in from search.stand_ins"
            " where customer_id in (select customer_id from customers.customers) limit 2"
        ).fetchall()
    assert stand_ins, "enrichment knows some people of the company by a hash"
    for customer, stand_in in stand_ins:
        for asked in (customer, stand_in):
            page = open_page("customer", q=asked)
            assert [code.value for code in page.code] == [stand_in] and "was merged" not in said(page)


def test_a_merged_away_id_leads_on_and_says_so(planted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looking = use(monkeypatch, apart(planted, tmp_path / "data"))
    with tables(looking) as full:
        one = busiest(full)
    page = open_page("customer", q=MERGED)
    assert f"{MERGED} was merged into this person, whose id is {one}" in said(page)
    assert [code.value for code in page.code] == [one]
    assert "all records it stood for are gone" in said(open_page("customer", q=GONE))


NOBODY = [
    "nobody@nowhere.example", "'; drop table customers.customers; --", '"', "%", "_", "*", "\\", "a' or 1=1 --",
    "<script>alert(1)</script>", "{{ 7*7 }}", "🙂🙃", "\x00", "Ω≈ç√", "0" * 32, "-1", "../../etc/passwd", ":", "::::",
]  # fmt: skip


def test_what_nobody_is_known_by_finds_nobody(looking: Publication) -> None:
    page = open_page("customer", q=NOBODY[0])
    for text in NOBODY:
        assert asks(page, text) == "" and "Nobody is known by that." in said(page), text


def test_a_text_too_long_for_any_identifier_is_refused(looking: Publication) -> None:
    page = open_page("customer")
    assert asks(page, "a" * 10_000) == "" and "longer than 400 characters" in said(page)


def test_the_head_says_what_the_tables_say(looking: Publication) -> None:
    with tables(looking) as full:
        one = busiest(full)
        orders, tickets, records, sources, expected, last = full.execute(
            "select order_count, open_ticket_count, record_count, source_count, expected_value_12_months_eur,"
            " last_order_at from customers.customers where customer_id = ?", [one]
        ).fetchall()[0]  # fmt: skip
        (revenue,) = full.execute(
            "select sum(net_amount_eur) from customers.customer_orders where customer_id = ?", [one]
        ).fetchall()[0]
    page = open_page("customer", q=one)
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Orders"] == f"{orders:,}" and shown["Revenue"] == f"€{revenue:,.2f}"
    assert shown["Open tickets"] == str(tickets) and shown["Records"] == f"{records} in {sources}"
    assert shown["Expected"] == (f"€{expected:,.2f}" if expected is not None else "–")
    if last is not None:
        days = (looking.as_of.date() - last.date()).days
        assert shown["Last order"] == (f"{days:,} d ago" if days else "today")


TABLES = {
    "Profile": "select attribute, value, source, record_id from customers.customer_attribute_sources"
    " where customer_id = ? order by attribute",
    "Segments": "select segment, entered_at from segments.segment_memberships"
    " where customer_id = ? and left_at is null order by entered_at desc, segment",
    "Consents": "select purpose, channel, status, is_allowed from customers.customer_consents"
    " where customer_id = ? order by purpose, channel",
    "Sent": "select recorded_at, sync, destination, operation, outcome from reverse_etl.sync_results"
    " left join reverse_etl.sync_runs using (run_id, sync)"
    " where customer_id = ? order by recorded_at desc, sync",
}


@pytest.mark.parametrize("tab", TABLES)
def test_a_tab_holds_the_rows_of_its_table(looking: Publication, tab: str) -> None:
    with tables(looking, masked=True) as masked:
        table = {"Segments": "segments.segment_memberships", "Sent": "reverse_etl.sync_results"}.get(tab)
        if table:
            (one,) = masked.execute(
                f"select customer_id from {table} group by 1 order by count(*) desc, 1 limit 1"
            ).fetchall()[0]
        else:
            one = busiest(masked)
        expected = masked.execute(TABLES[tab], [one]).df()
    shown = open_page("customer", q=one, tab=tab).dataframe[0].value
    assert len(expected) and shown[list(expected.columns)].astype(str).equals(expected.astype(str))


def test_every_record_says_why_it_is_theirs(looking: Publication) -> None:
    with tables(looking, masked=True) as masked:
        one = busiest(masked)
        expected = masked.execute(
            "select source || ':' || record_id, rule, other_record_id from identity.identity_explanations"
            " where customer_id = ? order by source, record_id", [one]
        ).fetchall()  # fmt: skip
    shown = open_page("customer", q=one, tab="Identity").dataframe[0].value
    assert shown["record"].tolist() == [record for record, _, _ in expected]
    for why, (_, rule, other) in zip(shown["why"], expected, strict=True):
        assert rule == "alone" or (other in why and (rule == "likeness" or rule.split("_")[0] in why.lower()))


def test_the_timeline_has_every_event_newest_first_and_filters(looking: Publication) -> None:
    with tables(looking) as full:
        one = busiest(full)
        channels = dict(
            full.execute(
                "select channel, count(*) from customers.customer_events where customer_id = ? group by 1", [one]
            ).fetchall()
        )
        newest = full.execute(
            "select occurred_at from customers.customer_events where customer_id = ? order by 1 desc", [one]
        ).fetchall()
    page = open_page("customer", q=one, tab="Timeline")
    assert f"{sum(channels.values()):,} events" in said(page)
    days = [day for (day,) in newest[:40]]
    assert f"{days[0]:%A, %d %B %Y}" in said(page)
    times = [line[:5] for line in said(page).splitlines() if ":material/" in line]
    assert times == [f"{moment:%H:%M}" for moment in days]
    channel = max(channels, key=lambda name: channels[name])
    page.pills(key=f"channels_{one}").set_value([channel]).run()
    assert f"{channels[channel]:,} events" in said(page)


def test_orders_have_their_lines_and_add_up(looking: Publication) -> None:
    with tables(looking) as full:
        one = busiest(full)
        orders = full.execute(
            "select order_id, order_number from customers.customer_orders where customer_id = ?"
            " order by ordered_at desc, order_id limit 10", [one]
        ).fetchall()  # fmt: skip
        lines = [
            full.execute(
                "select product_name, quantity from customers.customer_order_lines where order_id = ?"
                " order by order_line_id", [order],
            ).fetchall()
            for order, _ in orders
        ]  # fmt: skip
    page = open_page("customer", q=one, tab="Orders")
    titles = [expander.label.replace("\\", "") for expander in page.expander]
    assert all(number in title for (_, number), title in zip(orders, titles, strict=True))
    shown = [table.value for table in page.dataframe if "product_name" in table.value]
    pairs = [list(table[["product_name", "quantity"]].itertuples(index=False, name=None)) for table in shown]
    assert pairs == lines


def test_models_that_were_refused_say_why(looking: Publication) -> None:
    with tables(looking) as full:
        one = busiest(full)
        runs = full.execute("select is_published, reason from predictions.model_runs").fetchall()
    text = said(open_page("customer", q=one, tab="Predictions"))
    assert runs and all(reason.replace("\\", "") in text for _, reason in runs)
    assert text.count("Not published") == sum(not published for published, _ in runs)


def test_rules_of_survivorship_have_words(looking: Publication) -> None:
    with tables(looking) as full:
        rules = full.execute("select distinct rule from customers.customer_attribute_sources").fetchall()
    assert {rule for (rule,) in rules} <= RULES.keys()


def test_only_the_listed_see_personal_data(trusted: Publication, monkeypatch: pytest.MonkeyPatch) -> None:
    with tables(trusted) as full:
        one = busiest(full)
        name, email = full.execute(
            "select full_name, email from customers.customers where customer_id = ?", [one]
        ).fetchall()[0]
    others: dict[str, dict[str, Any]] = {
        "nobody": {},
        "not on the list": {**steward(), "email": "other@example.com"},
        "not verified": {**steward(), "email_verified": False},
        "says so without a sign-in": {name: value for name, value in steward().items() if name != "is_logged_in"},
        "signed out": {**steward(), "is_logged_in": False},
        "long ago": {**steward(), "iat": int(datetime.now(UTC).timestamp()) - 13 * 3600},
        "of another group": {**steward(), "email": "", "groups": ["sales"]},
    }
    for why, claims in others.items():
        text = said(open_page("customer", user=claims, q=one))
        assert name not in text and email not in text and "personal data masked" in text, why
    for claims in (steward(), {**steward(), "email": "x@example.com", "groups": ["support", "sales"]}):
        text = said(open_page("customer", user=claims, q=one))
        assert name in text and email in text and "personal data shown" in text
    for setting in SIGN_IN:
        monkeypatch.delenv(setting)
    assert name not in said(open_page("customer", user=steward(), q=one))


def test_a_masked_page_shows_no_value_of_the_full_file(looking: Publication) -> None:
    with tables(looking) as full:
        one = busiest(full)
        secrets = [
            value
            for (value,) in full.execute(
                "select distinct value from customers.customer_attribute_sources where customer_id = ?"
                " and attribute in ('email', 'phone', 'first_name', 'last_name', 'street')"
                " union select identifier_value from customers.customer_identifiers where customer_id = ?"
                " and identifier_type in ('email', 'phone')", [one, one],
            ).fetchall()
        ]  # fmt: skip
    assert len(secrets) > 4
    for tab in ("Profile", "Timeline", "Orders", "Tickets", "Identity", "Consents", "Sent"):
        page = open_page("customer", q=one, tab=tab)
        shown = said(page) + "".join(table.value.to_csv() for table in page.dataframe)
        assert not [secret for secret in secrets if secret in shown], tab


def test_hostile_values_stay_text(planted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looking = use(monkeypatch, apart(planted, tmp_path / "data"), **SIGN_IN)
    with tables(looking) as full:
        one = busiest(full)
    page = open_page("customer", user=steward(), q=one)
    (header,) = page.header
    # every mark that could begin a picture, link, icon or formula is escaped
    assert header.value.replace("\\", "") == HOSTILE
    assert not [mark for mark in "<![:$" if f" {mark}" in f" {header.value}".replace(f"\\{mark}", "")]


def test_a_publish_in_mid_session_is_seen(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(published / "published", data / "published")
    old = use(monkeypatch, data)
    with tables(old) as full:
        one = busiest(full)
    page = open_page("customer", q=one)
    folder = Path(shutil.copytree(old.folder, data / "published" / "later"))
    with duckdb.connect(str(folder / "masked.duckdb")) as masked:
        masked.execute("update customers.customers set order_count = 4321 where customer_id = ?", [one])
    write_record(old.model_copy(update={"run": "later", "folder": folder}), data / "published" / "current.json")
    assert "run later" not in said(page)
    page.run()
    assert "run later" in said(page) and {"4,321"} <= {metric.value for metric in page.metric}


def test_a_person_of_whom_little_is_known_has_a_page(looking: Publication) -> None:
    with tables(looking) as full:
        (one,) = full.execute(
            "select customer_id from customers.customers order by record_count, full_name is not null, order_count,"
            " customer_id limit 1"
        ).fetchall()[0]
    page = open_page("customer", q=one)
    for tab in ("Profile", "Timeline", "Orders", "Tickets", "Identity", "Predictions", "Segments", "Consents", "Sent"):
        page.session_state["tab"] = tab
        page.run()
        assert page.metric and not page.exception
