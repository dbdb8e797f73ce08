"""The page of identity: its figures are those of the tables, and a steward's decision is what the next build does."""

import csv
import json
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import ROOT, call_dbt, place
from dashboards_house import SIGN_IN, STEWARD, open_page, said, use
from operations_house import own, plant, reading
from streamlit.testing.v1 import AppTest

from dashboards.review import comparisons
from kinship.identity import review
from kinship.identity.evidence import Record

SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The seed of decisions, away from the project's own."""
    file = tmp_path / "seeds" / "identity_overrides.csv"
    file.parent.mkdir()
    file.write_text((ROOT / "seeds" / "identity_overrides.csv").read_text().splitlines()[0] + "\n")
    monkeypatch.setattr(review, "overrides_path", lambda: file)
    return file


@pytest.fixture
def company(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use(monkeypatch, published)
    return published


def written(seed: Path) -> list[dict[str, str]]:
    with seed.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def frames(app: AppTest, column: str) -> list[Any]:
    return [table.value for table in app.dataframe if column in table.value.columns]


def queue(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The published questions, most consequential first."""
    with reading(use(monkeypatch, data)) as connection:
        found = connection.execute(
            "select * from identity.identity_review_queue order by consequence desc, review_id"
        ).df()
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def is_plain(one: dict[str, Any]) -> bool:
    """Whether nothing about a question is nearly the same: it can be answered without a value."""
    results = re.findall(r"(\w+) (\w+) [+-]\d", str(one["detail"] or ""))
    judged = {result for attribute, result in results if attribute != "surroundings"}
    return one["question"] == "merge" and judged <= {"exact", "different", "nothing"}


def answer(app: AppTest, button: str, why: str = "called them", author: str | None = "ann") -> AppTest:
    """Answer the question in hand."""
    if author is not None:
        next(one for one in app.text_input if one.label == "Who decides").set_value(author)
    next(one for one in app.text_input if one.label == "Why").set_value(why)
    next(one for one in app.button if one.label == button).click()
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def buttons(app: AppTest) -> dict[str, bool]:
    """The buttons of the question in hand, and whether they can be pressed."""
    labels = ("Same person", "Different people", "Later")
    return {one.label: not one.disabled for one in app.button if one.label in labels}


# figures


def test_the_figures_are_those_of_the_tables(company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(use(monkeypatch, company)) as connection:
        health = connection.execute("select record_count, grade from identity.identity_health").fetchall()
        edges = connection.execute("select refusal, rule from identity.identity_edges where refusal <> ''").fetchall()
        values = connection.execute("select identifier_type, reason from identity.identity_quarantine").fetchall()
    shown = {metric.label: metric.value for metric in open_page("identity").metric}
    assert shown["People"] == f"{len(health):,}" and shown["Records"] == f"{sum(size for size, _ in health):,}"
    assert shown["Largest"] == str(max(size for size, _ in health))
    assert shown["In contradiction"] == str(sum(grade in "CD" for _, grade in health))

    app = open_page("identity")
    (grades,) = frames(app, "in_conflict")
    assert dict(zip(grades["grade"], grades["people"], strict=True)) == Counter(grade for _, grade in health)
    (refused,) = frames(open_page("identity", view="Refused links"), "links")
    assert {(r.refusal, r.rule): r.links for r in refused.itertuples()} == Counter(edges)
    (quarantine,) = frames(open_page("identity", view="Quarantine"), "identifiers")
    assert {(r.identifier_type, r.reason): r.identifiers for r in quarantine.itertuples()} == Counter(values)


def test_values_are_masked_unless_one_may_see_them(company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(use(monkeypatch, company)) as connection:
        found = connection.execute("select identifier_value from identity.identity_quarantine").fetchall()
    values = {value for (value,) in found}
    (masked,) = frames(open_page("identity", view="Quarantine"), "identifier_value")
    assert len(masked) and not values & set(masked["identifier_value"])
    use(monkeypatch, company, **SIGN_IN)
    (clear,) = frames(open_page("identity", {**STEWARD, "iat": time.time()}, view="Quarantine"), "identifier_value")
    assert set(clear["identifier_value"]) <= values


# deciding


def test_a_decision_goes_into_the_seed_and_can_be_taken_back(
    company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seed.read_bytes()
    one = next(one for one in queue(company, monkeypatch) if is_plain(one))
    app = open_page("identity", view="Review", review=one["review_id"])
    assert buttons(app) == {"Same person": True, "Different people": True, "Later": True}
    answer(app, "Different people", 'they said "no", =1+1')
    (row,) = written(seed)
    assert row == {
        "action": "cannot_link",
        "left_source": one["left_source"],
        "left_record_id": one["left_record_id"],
        "right_source": one["right_source"],
        "right_record_id": one["right_record_id"],
        "identifier_type": "",
        "identifier_value": "",
        "author": "ann",
        "reason": 'they said "no", =1+1',
        "decided_on": date.today().isoformat(),
        "expires_on": "",
    }
    (decided,) = frames(app, "by")
    # two people stay two: nothing has to change, and it is said that it holds already
    assert list(decided["state"]) == ["in effect"] and list(decided["by"]) == ["ann"]
    (listed,) = frames(app, "consequence")
    assert one["review_id"] not in set(listed["review_id"]), "what is decided is not asked again"

    box = next(one for one in app.selectbox if one.label == "Take back")
    box.select_index(0).run()
    next(one for one in app.button if one.label == "Take back").click()
    app.run()
    assert seed.read_bytes() == before


def test_joining_waits_for_the_next_run(company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(one for one in queue(company, monkeypatch) if is_plain(one))
    app = answer(open_page("identity", view="Review", review=one["review_id"]), "Same person")
    (decided,) = frames(app, "by")
    assert list(decided["state"]) == ["from the next run on"]
    assert "the next `kinship run` builds with it" in said(app)


def test_a_decision_needs_a_reason_and_a_name(company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(one for one in queue(company, monkeypatch) if is_plain(one))
    for why, author in (("", "ann"), ("because", " ")):
        app = answer(open_page("identity", view="Review", review=one["review_id"]), "Same person", why, author)
        assert "needs a name and a reason" in said(app)
    assert written(seed) == []


def test_later_puts_a_question_behind_the_others(company: Path, seed: Path) -> None:
    app = open_page("identity", view="Review")
    first = next(one.key for one in app.button if one.label == "Later")
    next(one for one in app.button if one.label == "Later").click()
    app.run()
    assert next(one.key for one in app.button if one.label == "Later") != first
    assert written(seed) == []


def test_what_must_be_looked_at_is_decided_by_who_may_see_it(
    published: Path, tmp_path: Path, seed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = own(published, tmp_path / "data")
    one = next(one for one in queue(data, monkeypatch) if one["question"] == "merge" and not is_plain(one))
    app = open_page("identity", view="Review", review=one["review_id"])
    assert buttons(app) == {"Same person": False, "Different people": False, "Later": True}
    (masked,) = frames(app, "together")
    with reading(use(monkeypatch, data)) as connection:
        values = {
            value
            for (value,) in connection.execute(
                "select value from customers.customer_attribute_candidates where customer_id in (?, ?)",
                [one["left_customer_id"], one["right_customer_id"]],
            ).fetchall()
        }
    assert values and not values & {*masked["left"], *masked["right"]}

    use(monkeypatch, data, **SIGN_IN)
    app = open_page("identity", {**STEWARD, "iat": time.time()}, view="Review", review=one["review_id"])
    (clear,) = frames(app, "together")
    assert list(clear["attribute"]) == list(masked["attribute"])
    assert list(clear["together"]) == list(masked["together"])
    assert values & {*clear["left"], *clear["right"]}
    answer(app, "Same person", author=None)
    assert [row["author"] for row in written(seed)] == ["steward@example.com"]
    looks = [json.loads(line) for file in (data / "access").glob("*.jsonl") for line in file.read_text().splitlines()]
    assert {look["customer_id"] for look in looks if not look["is_masked"]} >= {one["left_customer_id"]}


def test_who_may_not_decide_has_no_buttons(company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(one for one in queue(company, monkeypatch) if is_plain(one))
    link = {"view": "Review", "review": one["review_id"]}
    use(monkeypatch, company, KINSHIP_DASHBOARDS_ADDRESS="0.0.0.0")
    app = open_page("identity", **link)
    assert not frames(app, "together"), "not even what is the same"
    assert buttons(app) == {}
    use(monkeypatch, company, **SIGN_IN)
    stranger = {**STEWARD, "email": "who@example.com", "iat": time.time()}
    for user in ({}, stranger):
        assert not buttons(open_page("identity", user, **link)).get("Same person")


def test_quotes_and_scripts_stay_what_they_are(
    published: Path, tmp_path: Path, seed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = own(published, tmp_path / "data")
    one = next(one for one in queue(data, monkeypatch) if is_plain(one))
    record = f"users:'\"; drop table x; {SCRIPT}"
    rename = "update identity.identity_review_queue set left_record_id = ? where review_id = ?"
    plant(data, lambda connection: connection.execute(rename, [record, one["review_id"]]))
    use(monkeypatch, data)
    app = open_page("identity", view="Review", review=one["review_id"])
    assert not [caption for caption in app.caption if SCRIPT in caption.value], "in Markdown every sign is escaped"
    answer(app, "Same person", SCRIPT, author='"ann", =cmd')
    (row,) = written(seed)
    assert (row["left_record_id"], row["reason"], row["author"]) == (record, SCRIPT, '"ann", =cmd')
    assert not [caption for caption in app.caption if SCRIPT in caption.value]
    assert not open_page("identity", view="Review", review="' or 1=1 --").exception


def test_without_people_or_questions_it_is_said(
    published: Path, tmp_path: Path, seed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = own(published, tmp_path / "data")
    plant(data, lambda connection: connection.execute("delete from identity.identity_review_queue"))
    use(monkeypatch, data)
    assert "No question is open" in said(open_page("identity", view="Review"))
    data = own(published, tmp_path / "nobody")
    plant(data, lambda connection: connection.execute("delete from identity.identity_health"))
    use(monkeypatch, data)
    assert "holds no people" in said(open_page("identity"))


# two stewards


def test_the_second_of_two_stewards_is_told(company: Path, seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(one for one in queue(company, monkeypatch) if is_plain(one))
    ann, bob = (open_page("identity", view="Review", review=one["review_id"]) for _ in range(2))
    answer(ann, "Same person", author="ann")
    answer(bob, "Different people", author="bob")
    assert "ann has decided on" in said(bob) and "nothing was changed" in said(bob)
    assert [row["author"] for row in written(seed)] == ["ann"]


def test_many_at_once_write_every_answer_once(seed: Path) -> None:
    gate = seed.with_name("gate")
    program = (
        "import sys, time; from pathlib import Path; from operations_house import decide_all\n"
        "print('ready', flush=True)\n"
        "while not Path(sys.argv[2]).exists(): time.sleep(.001)\n"
        "print(decide_all(Path(sys.argv[1]), sys.argv[3], range(15)))"
    )
    stewards = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(seed), str(gate), author],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        for author in "abc"
    ]
    for one in stewards:
        assert one.stdout and one.stdout.readline() == "ready\n"
    gate.touch()
    told = [int(one.communicate(timeout=60)[0]) for one in stewards]
    rows = written(seed)
    assert sum(told) == len(rows) == 15
    assert len({row["left_record_id"] for row in rows}) == 15
    assert Counter(row["author"] for row in rows) == Counter(dict(zip("abc", told, strict=True))) - Counter()
    for number in range(15):
        assert review.undo(Record("b", f'{number}, "x"'), Record("a", f"{number}")) == 1
    assert written(seed) == []


# what a likeness says


def test_comparisons_are_read_as_they_are_written() -> None:
    said = comparisons("given_name exact +7.5, email different -3.1, surroundings nothing +0.0, rivals -31.0")
    assert [(one.attribute, one.how, one.bits) for one in said] == [
        ("given_name", "exact", 7.5),
        ("email", "different", -3.1),
        ("surroundings", "nothing", 0.0),
        ("rivals", "", -31.0),
    ]
    assert comparisons(None) == comparisons("a steward's words") == []


# the next build


@pytest.mark.slow
def test_the_next_build_does_what_was_decided(
    published: Path, tmp_path: Path, seed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a limit goes before a steward: two people with a shop account each stay two
    accounts = """
        select count(distinct identifier_value) from customers.customer_identifiers
        where identifier_type = 'shopify_customer_id' and customer_id in (?, ?)
    """
    with reading(use(monkeypatch, published)) as connection:
        one = next(
            one
            for one in queue(published, monkeypatch)
            if one["question"] == "merge"
            and connection.execute(accounts, [one["left_customer_id"], one["right_customer_id"]]).fetchall()[0][0] <= 1
        )
    use(monkeypatch, published, **SIGN_IN)
    steward = {**STEWARD, "iat": time.time()}
    link = {"view": "Review", "review": one["review_id"]}
    answer(open_page("identity", steward, **link), "Same person", author=None)
    data = own(published, place() / "data", "warehouse.duckdb", "identity")
    project = tmp_path / "project"
    for part in ("models", "dbt_project", "dbt_project.yml", "profiles.yml"):
        (project / part).parent.mkdir(exist_ok=True)
        (project / part).symlink_to(ROOT / part)
    (project / "seeds").mkdir()
    for file in (ROOT / "seeds").iterdir():
        (project / "seeds" / file.name).symlink_to(seed if file.name == seed.name else file)
    built = call_dbt("build", "--select", "identity_overrides", "path:models/identity",
                     "--exclude-resource-type", "test", "unit_test",
                     data=data, cwd=project, PYTHONPATH=str(ROOT))  # fmt: skip
    assert built.returncode == 0, built.stdout[-3000:]
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        people = connection.execute(
            "select count(distinct customer_id) from identity.identity_graph"
            " where (source, record_id) in ((?, ?), (?, ?))",
            [one["left_source"], one["left_record_id"], one["right_source"], one["right_record_id"]],
        ).fetchall()
        asked = connection.execute(
            "select count(*) from identity.identity_review_queue where review_id = ?", [one["review_id"]]
        ).fetchall()
    assert people == [(1,)] and asked == [(0,)]
