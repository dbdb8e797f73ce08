"""Explain and review as a steward meets them, on a small company built by the identity models themselves."""

import csv
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest
from conftest import KINSHIP, call, environment
from hypothesis import given
from hypothesis import strategies as st
from identity_house import House
from typer.testing import CliRunner

from kinship.cli import app
from kinship.errors import KinshipError, WrongUse
from kinship.identity import review
from kinship.identity.evidence import Edge, Record, masked
from kinship.identity.explain import explain, path, together

HEADER = ",".join(review.COLUMNS)


@pytest.fixture(scope="module")
def house() -> House:
    """Ann has four records, one of which was another person before; Bob and Cid would be one but for their accounts."""
    house = House()
    house.put("ann:1", {"email": "ann@example.com"}, 1, given_name="ann", birth_date="1980-01-02")
    house.put("ann:4", {"phone": "+359888123456"}, 4, given_name="ann")
    house.put("alone", {"email": "alone@example.com"}, 1)
    house.put("bob", {"account_id": "1", "email": "bob@example.com"}, 1, given_name="bob")
    house.put("cid", {"account_id": "2"}, 2, given_name="[bold]cid")
    house.alike("bob", "cid", 9.0)
    house.put("dee", {"email": "dee@example.com"}, 1)
    house.put("eve", {"email": "eve@example.com"}, 1)
    house.alike("dee", "eve", 2.0)
    house.build()
    house.old = house.ids()["ann:4"]  # type: ignore[attr-defined]
    house.put("ann:2", {"email": "ann@example.com"}, 2, given_name="ann")
    house.put("ann:3", [("email", "ann@example.com"), ("phone", "+359888123456")], 3)
    house.build(derived=True)
    return house


@pytest.fixture(scope="module")
def data(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    house.save(folder / "warehouse.duckdb")
    return folder


@pytest.fixture
def run(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[int, str]]]:
    """The command line in this process: exit code and all that was printed."""
    for name in ("KINSHIP_WAREHOUSE", "KINSHIP_STEWARD", "USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KINSHIP_DATA", str(data))

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(app, list(arguments), input=typed)
        if isinstance(done.exception, KinshipError):
            return done.exception.exit_code, done.output + str(done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    yield run


Run = Callable[..., tuple[int, str]]


# explain


def test_a_chain_goes_over_values_not_over_every_record_and_names_its_weakest_link(run: Run) -> None:
    code, said = run("explain", "test:ann:1", "test:ann:4")
    assert code == 0
    chain = [line.split() for line in said.splitlines() if line.startswith("test:")]
    # ann:1 to ann:3 passes through ann:2, which has the address, too
    assert [(step[0], step[1], step[2]) for step in chain] == [
        ("test:ann:1", "test:ann:3", "email"),
        ("test:ann:3", "test:ann:4", "phone"),
    ]
    assert "weakest link" not in " ".join(chain[0])
    assert "weakest link" in " ".join(chain[1])
    assert "2026-01-03 to 2026-01-04" in said and "2026-01-05 to 2026-01-05" in said


def test_values_are_masked_unless_asked_for(run: Run) -> None:
    _, hidden = run("explain", "test:ann:1", "test:ann:4")
    _, shown = run("explain", "test:ann:1", "test:ann:4", "--values")
    for value, mask in (("ann@example.com", "a…@e….com"), ("+359888123456", "+3…56")):
        assert value not in hidden and mask in hidden
        assert value in shown


def test_two_people_are_explained_by_the_evidence_that_was_refused(run: Run) -> None:
    code, said = run("explain", "test:bob", "test:cid")
    assert code == 0
    assert "are two people" in said
    assert "likeness" in said and "refused: limit:account_id" in said
    assert "there is no evidence between" in run("explain", "test:bob", "test:alone")[1]


def test_one_record_shows_what_ties_it(run: Run, house: House) -> None:
    code, said = run("explain", "test:ann:3")
    assert code == 0
    assert house.ids()["ann:3"] in said and "of 4 records" in said
    assert said.count("email") == 1 and said.count("phone") == 1
    assert "nothing ties it" in run("explain", "test:alone")[1]


def test_an_id_merged_away_leads_to_its_person_and_to_the_chain_that_merged_it(run: Run, house: House) -> None:
    old, new = house.old, house.ids()["ann:1"]  # type: ignore[attr-defined]
    assert old != new
    assert f"customer {new}: 4 records" in run("explain", old)[1]
    code, said = run("explain", new, old)
    assert code == 0 and "weakest link" in said
    assert "test:ann:1" in said and "test:ann:4" in said


def test_an_identifier_is_a_reference(run: Run, house: House) -> None:
    for written in ("ann@example.com", "ANN@example.com", "+359888123456", "+359 888 123-456"):
        code, said = run("explain", written)
        assert (code, f"customer {house.ids()['ann:1']}: 4 records" in said) == (0, True)
    assert "both are the record test:alone" in run("explain", "alone@example.com", "test:alone")[1]


def test_nobody_known_is_wrong_use_and_says_what_a_reference_looks_like(run: Run, data: Path) -> None:
    for reference in ("nobody@example.com", "test:nobody", "0" * 32, "", "';drop table x"):
        code, said = run("explain", reference)
        assert code == 2
        assert "nobody@" not in said, "a message goes to logs"
    done = call(KINSHIP, "explain", "nobody@example.com", env=environment(data))
    assert done.returncode == 2
    assert "<source>:<record_id>" in done.stderr and "Traceback" not in done.stderr


def test_without_people_the_message_says_what_builds_them(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    code, said = run("explain", "a")
    assert code == 2 and "`kinship run` builds it" in said


def edge(number: int, left: int, right: int, weight: float, is_admitted: bool = True) -> Edge:
    ends = (Record("s", str(left)), Record("s", str(right)))
    return Edge(str(number), *ends, "r", None, 1, "strict", weight, is_admitted, None, None, None, None)


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(1, 20), st.booleans()), max_size=20),
    st.integers(0, 7),
    st.integers(0, 7),
)
def test_the_weakest_link_is_as_strong_as_can_be(drawn: list[tuple[int, int, int, bool]], start: int, end: int) -> None:
    edges = [edge(n, left, right, weight, admitted) for n, (left, right, weight, admitted) in enumerate(drawn)]
    graph = nx.Graph()
    graph.add_nodes_from(range(8))
    for left, right, weight, admitted in drawn:
        if admitted and left != right:
            before = graph.get_edge_data(left, right, {"weight": 0})["weight"]
            graph.add_edge(left, right, weight=max(weight, before))
    way = path(edges, Record("s", str(start)), Record("s", str(end)))
    if start == end or not nx.has_path(graph, start, end):
        assert way == []
        return
    forest = nx.maximum_spanning_tree(graph)
    best = nx.shortest_path(forest, start, end)
    bottleneck = min(forest[one][two]["weight"] for one, two in pairwise(best))
    assert min(one.weight for one in way) == bottleneck
    here = Record("s", str(start))
    for one in way:
        assert one.is_admitted
        here = one.other(here)
    assert here == Record("s", str(end))
    assert [one for step in together(way, Record("s", str(start))) for one in step.edges] == way


def test_a_person_of_many_records_is_not_printed_without_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinship.identity.printing.MOST_EDGES", 2)
    _, said = run("explain", "ann@example.com")
    assert "and 2 more in identity.identity_graph" in said
    assert "and 1 more in identity.identity_edges" in said


@pytest.mark.parametrize(
    ("value", "mask"),
    [("ann@example.co.uk", "a…@e….uk"), ("+359888123456", "+3…56"), ("12345", "…"), ("a@b", "…"), ("", "…")],
)
def test_a_mask_shows_only_the_ends(value: str, mask: str) -> None:
    assert masked(value) == mask


# review


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The seed of decisions, away from the project's own."""
    file = tmp_path / "identity_overrides.csv"
    file.write_text(HEADER + "\n")
    monkeypatch.setattr(review, "overrides_path", lambda: file)
    return file


def written(seed: Path) -> list[dict[str, str]]:
    with seed.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def question(run: Run, name: str) -> str:
    """The id of the question about a record."""
    _, said = run("review", "--list")
    return next(line.split()[0] for line in said.splitlines() if name in line)


def test_the_queue_lists_what_a_person_should_decide(run: Run, seed: Path) -> None:
    code, said = run("review", "--list")
    assert code == 0
    questions = [line for line in said.splitlines() if "merge" in line]
    assert len(questions) == 2
    assert "limit:account_id" in questions[0] and "too_weak" in questions[1], "most consequential first"
    assert len([line for line in run("review", "--list", "--limit", "1")[1].splitlines() if "merge" in line]) == 1


@pytest.mark.parametrize(("answer", "action"), [("same", "must_link"), ("different", "cannot_link")])
def test_a_decision_without_asking(run: Run, seed: Path, answer: str, action: str) -> None:
    one = question(run, "test:dee")
    arguments = ("review", one, "--decide", answer, "--reason", 'saw "both", in person', "--author", "me")
    assert run(*arguments)[0] == 0
    (row,) = written(seed)
    assert {column: value for column, value in row.items() if value} == {
        "action": action,
        "left_source": "test",
        "left_record_id": "dee",
        "right_source": "test",
        "right_record_id": "eve",
        "author": "me",
        "reason": 'saw "both", in person',
        "decided_on": date.today().isoformat(),
    }
    code, said = run(*arguments)
    assert code == 2 and "no open question" in said, "what is decided is not asked again"
    assert not list(seed.parent.glob("*.part"))


def test_the_decision_is_what_the_next_build_does(run: Run, seed: Path, house: House) -> None:
    run("review", question(run, "test:dee"), "--decide", "same", "--reason", "r", "--author", "me")
    (row,) = written(seed)
    again = House()
    for name in ("dee", "eve"):
        again.put(name, {"email": name})
    again.override(row["action"], row["left_record_id"], row["right_record_id"], row["decided_on"])
    again.build()
    assert len(again.people()) == 1


def test_asked_one_after_the_other(run: Run, seed: Path) -> None:
    code, said = run("review", "--author", "me", typed="x\nd\nnot the same person\n")
    assert code == 0
    assert "Are these two people one?" in said
    assert "[bold]cid" in said, "what a record says is no markup"
    assert "1 decided" in said
    assert [(row["left_record_id"], row["action"], row["reason"]) for row in written(seed)] == [
        ("dee", "cannot_link", "not the same person")
    ]


@pytest.mark.parametrize("typed", ["q\n", "", "k\nk\n", "\n\n"])
def test_who_quits_or_skips_has_decided_nothing(run: Run, seed: Path, typed: str) -> None:
    code, said = run("review", "--author", "me", typed=typed)
    assert code == 0 and "nothing decided" in said
    assert seed.read_text() == HEADER + "\n"


def test_what_was_decided_before_the_input_ended_is_kept(run: Run, seed: Path) -> None:
    code, said = run("review", "--author", "me", "--reason", "known", typed="s\n")
    assert code == 0 and "1 decided" in said
    assert len(written(seed)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--decide", "same", "--reason", " ", "--author", "me"), "needs an author and a reason"),
        (("--decide", "same", "--reason", "r", "--author", " "), "needs an author"),
        (("--decide", "same", "--reason", "r"), "needs an author"),
        (("--decide", "perhaps", "--reason", "r", "--author", "me"), "same or different"),
        (("--decide", "same", "--reason", "r", "--author", "me", "--expires", "soon"), "a day like"),
        (("--decide", "same", "--reason", "r", "--author", "me", "--expires", "2001-01-01"), "in the past"),
    ],
)
def test_a_decision_nobody_can_account_for_is_not_kept(
    run: Run, seed: Path, arguments: tuple[str, ...], says: str
) -> None:
    code, said = run("review", question(run, "test:dee"), *arguments)
    assert code == 2 and says in said
    assert seed.read_text() == HEADER + "\n"


def test_deciding_needs_a_question(run: Run, seed: Path) -> None:
    assert run("review", "--decide", "same", "--author", "me")[0] == 2
    code, said = run("review", "nothing", "--decide", "same", "--author", "me")
    assert code == 2 and "no open question nothing" in said


def test_other_lines_of_the_seed_stay_byte_for_byte(run: Run, seed: Path) -> None:
    """A spreadsheet has put a mark before the header, carriage returns at the ends and its own order of columns."""
    columns = [*reversed(review.COLUMNS), "note"]
    foreign = "﻿" + ",".join(columns) + '\r\n,2026-01-01,"a ""b""\r\nc",me,x,email,,,,,block_value,mine'
    seed.write_bytes(foreign.encode())
    assert run("review", question(run, "test:dee"), "--decide", "same", "--reason", "r", "--author", "me")[0] == 0
    assert seed.read_bytes().startswith(foreign.encode())
    rows = written(seed)
    assert [row["action"] for row in rows] == ["block_value", "must_link"]
    assert rows[1]["left_record_id"] == "dee" and rows[1]["note"] == ""


def test_a_decision_that_is_over_opens_the_question_again(run: Run, seed: Path) -> None:
    yesterday = date.today() - timedelta(days=1)
    line = f"cannot_link,test,dee,test,eve,,,me,r,2026-01-01,{yesterday}\n"
    seed.write_text(f"{HEADER}\n{line}")
    assert "test:dee" in run("review", "--list")[1]
    seed.write_text(f"{HEADER}\n{line.replace(str(yesterday), '')}")
    assert "test:dee" not in run("review", "--list")[1]


def test_a_seed_with_a_broken_header_is_refused_before_anything_is_written(run: Run, seed: Path) -> None:
    seed.write_text("action,left_source\n")
    code, said = run("review", "--list")
    assert code == 1
    assert str(seed) in said and "the header lacks left_record_id" in said and HEADER in said
    assert seed.read_text() == "action,left_source\n"


def test_a_seed_that_is_not_there_is_begun(seed: Path) -> None:
    seed.unlink()
    records = (Record("s", "1"), Record("s", "2"))
    one = review.Question("id", "merge", "too_weak", *records, "likeness", 0.5, 1.0, None, 1, 1)
    with redirect_stdout(io.StringIO()):
        review.decide(one, "same", "me", "r", date.today())
    assert written(seed)[0]["expires_on"] == date.today().isoformat()
    with pytest.raises(WrongUse):
        review.decide(one, "same", "", "r")


def test_explaining_takes_no_time_for_what_it_does_not_need(data: Path) -> None:
    """A parameter bound in Python makes DuckDB import pandas, which takes as long as all the rest."""
    script = (
        "import sys, duckdb; from kinship.identity.explain import explain\n"
        f"explain(duckdb.connect({str(data / 'warehouse.duckdb')!r}, read_only=True), 'test:ann:1', 'test:ann:4')\n"
        "assert not {'pandas', 'numpy', 'dagster', 'dbt', 'splink', 'scipy'} & set(sys.modules)"
    )
    done = call(Path(sys.executable), "-c", script, env=environment(data))
    assert done.returncode == 0, done.stderr


def test_explaining_reads_only(house: House, data: Path) -> None:
    before = (data / "warehouse.duckdb").read_bytes()
    import duckdb

    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as warehouse:
        found = explain(warehouse, "test:ann:1")
    assert {str(one) for one in found.records} == {f"test:ann:{n}" for n in (1, 2, 3, 4)}
    assert "ann@example.com" not in repr(found), "an explanation may end in a log"
    assert (data / "warehouse.duckdb").read_bytes() == before
