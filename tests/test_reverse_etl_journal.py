"""The journal of a ledger: whole records count, in their order, and are folded once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reverse_etl_house import House, people, run

from reverse_etl.destination import Batch, Operation, Outcome, Row
from reverse_etl.errors import LedgerError
from reverse_etl.folding import fold
from reverse_etl.journal import About, Record, left_over
from reverse_etl.ledger import Ledger, open_ledger
from reverse_etl.ledger_file import SCHEMA, journal_id, journal_of

Tables = dict[str, list[tuple[object, ...]]]


def batch(number: int, keys: list[str], operation: Operation = Operation.CHANGE, **row: str) -> Batch:
    return Batch(f"{number:010d}", [Row(key, "hash", f"c-{key}", operation, **row) for key in keys])  # type: ignore[arg-type]


@contextlib.contextmanager
def written(file: Path) -> Iterator[Ledger]:
    with open_ledger(file, write=True) as connection:
        yield Ledger(connection, "run", "sync_sink__people", file=file)


def tables(file: Path) -> Tables:
    with open_ledger(file, write=False) as connection:
        return {
            "accepted": connection.execute("select key, destination_id from accepted order by key").fetchall(),
            "claims": connection.execute("select key, batch, moved_from from claims order by key").fetchall(),
            "rejected": connection.execute("select key, error_class, tries from rejected order by key").fetchall(),
            "results": connection.execute("select customer_id, outcome from results order by all").fetchall(),
        }


def said(ledger: Ledger, number: int) -> None:
    """A batch of two is claimed; the one is accepted, the other refused."""
    rows = batch(number, [f"a{number}", f"b{number}"])
    ledger.write([ledger.claim(rows)])
    answers = [Outcome(f"a{number}", "accepted", f"id-{number}"), Outcome(f"b{number}", "rejected", None, "invalid_x")]
    ledger.write([ledger.answer(rows, answers, ())])


def test_what_was_written_is_there_when_the_ledger_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "sync.duckdb"
    with written(file) as ledger:
        said(ledger, 1)
        ledger.write([ledger.claim(batch(2, ["a2", "b2"]))])
        # and nothing else: the process dies
    assert journal_of(file).exists()
    assert tables(file) == {
        "accepted": [("a1", "id-1")],
        "claims": [("a2", "0000000002", None), ("b2", "0000000002", None)],
        "rejected": [("b1", "invalid_x", 1)],
        "results": [("c-a1", "accepted"), ("c-b1", "rejected")],
    }
    assert not journal_of(file).exists()


def test_a_journal_cut_at_any_byte_gives_what_was_whole(tmp_path: Path) -> None:
    file = tmp_path / "sync.duckdb"
    sizes = []
    with written(file) as ledger:
        for number in range(4):
            said(ledger, number)
            sizes.append(journal_of(file).stat().st_size)
        whole = journal_of(file).read_bytes()
    with duckdb.connect(str(file), read_only=True) as connection:
        known = journal_id(connection)
    cuts = {*range(0, len(whole), 97), *sizes, *(size - 1 for size in sizes)}
    for cut in cuts:
        journal_of(file).write_bytes(whole[:cut])
        left = left_over(journal_of(file), known)
        told = [] if left is None else [record.kind for record in left[1]]
        assert told == ["claims", "outcomes"] * (len(told) // 2) + ["claims"] * (len(told) % 2)
        assert len(told) // 2 == sum(cut >= size for size in sizes)
    # a byte that is not what was written ends it as well
    spoilt = bytearray(whole)
    spoilt[sizes[1] + 200] ^= 0xFF
    journal_of(file).write_bytes(spoilt)
    left = left_over(journal_of(file), known)
    assert left is not None and len(left[1]) == 4


def test_a_journal_that_is_folded_is_not_folded_again(tmp_path: Path) -> None:
    file = tmp_path / "sync.duckdb"
    with written(file) as ledger:
        said(ledger, 1)
        kept = journal_of(file).read_bytes()
        ledger.fold()
        assert not journal_of(file).exists()
        said(ledger, 2)
        ledger.fold()
    before = tables(file)
    # as after a crash between the transaction and the end of the file
    journal_of(file).write_bytes(kept)
    assert tables(file) == before
    with open_ledger(file, write=True):
        assert not journal_of(file).exists()
    # nor into another ledger, where this one was deleted
    file.unlink()
    journal_of(file).write_bytes(kept)
    with open_ledger(file, write=True):
        pass
    assert tables(file) == {"accepted": [], "claims": [], "rejected": [], "results": []}


def test_half_a_record_on_a_full_disk_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sync.duckdb"
    with written(file) as ledger:
        said(ledger, 1)

        def full(descriptor: int, data: memoryview) -> None:
            os_write(descriptor, data[:100])
            raise OSError(28, "No space left on device")

        os_write = __import__("os").write
        with monkeypatch.context() as patch:
            patch.setattr("reverse_etl.journal._write", full)
            with pytest.raises(Exception, match="make room"):
                ledger.write([ledger.claim(batch(9, ["x"]))])
        said(ledger, 2)
    assert [key for key, _ in tables(file)["accepted"]] == ["a1", "a2"]


KEYS = st.sampled_from([f"k{n}" for n in range(6)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.lists(KEYS, min_size=1, max_size=3, unique=True), st.none() | KEYS),
        st.tuples(st.just("accept"), KEYS, st.none()),
        st.tuples(st.just("refuse"), KEYS, st.booleans()),
        st.tuples(st.just("release"), KEYS, st.none()),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(steps=STEPS, folds=st.sets(st.integers(0, 14)))
def test_folding_many_at_once_is_folding_one_after_the_other(
    steps: list[tuple[str, object, object]], folds: set[int]
) -> None:
    left = []
    for every in (set(range(20)), folds):
        with duckdb.connect() as connection:
            connection.execute(SCHEMA)
            ledger = Ledger(connection, "run", "sync_sink__people")
            about, records = About("", "run", "sync_sink__people", "any"), []
            for number, (kind, what, how) in enumerate([*steps, ("end", "", None)]):
                if kind == "claim":
                    moved = {"moved_from": how} if isinstance(how, str) else {}
                    records.append(ledger.claim(batch(number, list(what), **moved)))  # type: ignore[arg-type]
                elif kind == "release":
                    records.append(ledger.release([str(what)]))
                elif kind != "end":
                    outcome = Outcome(str(what), "accepted" if kind == "accept" else "rejected", None, "invalid_x")
                    uncertain = {str(what)} if how else set()
                    records.append(ledger.answer(batch(number, [str(what)]), [outcome], uncertain))
                if number in every or kind == "end":
                    fold(connection, about, records)
                    records = []
            left.append(connection.execute("select key, batch, moved_from from claims order by all").fetchall())
    assert left[0] == left[1]


def test_a_journal_names_its_run(tmp_path: Path) -> None:
    file = tmp_path / "sync.duckdb"
    with written(file) as ledger:
        said(ledger, 1)
    with duckdb.connect(str(file), read_only=True) as connection:
        left = left_over(journal_of(file), journal_id(connection))
    assert left is not None and left[0] == About(left[0].id, "run", "sync_sink__people", "any")


def test_an_answer_and_the_next_claim_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path, options={"batch_size": 1})
    house.consent([(f"c{n}", "granted") for n in range(10)])
    house.want(people(*range(10)))
    writes: list[list[str]] = []
    original = Ledger.write

    def write(ledger: Ledger, records: list[Record]) -> None:
        writes.append([record.kind for record in records])
        original(ledger, records)

    monkeypatch.setattr(Ledger, "write", write)
    assert run(house).added == 10
    assert writes == [["claims"], *[["outcomes", "claims"]] * 9, ["outcomes"]]
    assert not journal_of(house.settings.ledger / f"{house.name}.duckdb").exists()


def test_nothing_is_sent_before_its_claim_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    house.consent([("c1", "granted")])
    house.want(people(1))

    def fail(ledger: Ledger, records: list[Record]) -> None:
        raise LedgerError("make room")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write", fail)
        with pytest.raises(LedgerError):
            run(house)
    assert list((tmp_path / "outbox").rglob("*.csv")) == []
    assert run(house).added == 1
