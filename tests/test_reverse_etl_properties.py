"""Whatever happens in whatever order, the destination ends with what is wanted and allowed; the oracle is a dict."""

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reverse_etl_house import House
from reverse_etl_sink import SinkServer, use_sink
from servers.base import Faults, Request
from vtiger_server import VtigerServer

import reverse_etl.payloads
from reverse_etl import run_sync
from reverse_etl.delivery import Patience
from reverse_etl.drift import drift
from reverse_etl.ledger import open_ledger

PEOPLE, KEYS = range(4), range(5)
COLUMNS = ("customer_id", "email", "lastname", "cf_kinship_stage")
STATUSES = ["granted", "granted", "granted", "withdrawn", "denied", None]
IMPATIENT = Patience(attempts=1)
PATIENT = Patience(attempts=9, first_wait=0.0001, longest_wait=0.0002, rate_limit_wait=0.0001)


@dataclass
class Round:
    """One state of the warehouse and the weather of one run. `rows`: person -> (number of the key, value)."""

    rows: dict[int, tuple[int, str]]
    consents: dict[int, str | None]
    fault: str | None
    seed: int


def email(key: int) -> str:
    return f"k{key}'@example.com"


rounds = st.lists(
    st.builds(
        Round,
        rows=st.dictionaries(st.sampled_from(PEOPLE), st.tuples(st.sampled_from(KEYS), st.sampled_from("ab"))),
        consents=st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from(STATUSES)),
        fault=st.sampled_from([None, "drop_before", "drop_after", "unavailable", "not_json", "too_many"]),
        seed=st.integers(0, 9),
    ),
    min_size=1,
    max_size=5,
)


def unique(rows: dict[int, tuple[int, str]]) -> dict[int, tuple[int, str]]:
    """Two people with one key: doubtful, tested elsewhere; here the first one has it."""
    taken: dict[int, tuple[int, str]] = {}
    for person, (key, value) in sorted(rows.items()):
        if key not in {other for other, _ in taken.values()}:
            taken[person] = (key, value)
    return taken


def run_rounds(sequence: list[Round], before: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, VtigerServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, variable in server.environment.items():
            patch.setenv(name, variable)
        options = {"settle_seconds": 0, "batch_size": 3}
        house = House(
            Path(folder), "sync_vtiger__contacts", object="Contacts", mode="mirror", max_change_share=1, options=options
        )
        theirs = {key: server.crm.add(email=email(key).upper(), lastname="theirs") for key in before}
        wanted: dict[str, str] = {}
        for step in sequence:
            rows = unique(step.rows)
            house.consent([(f"c{person}", status) for person, status in step.consents.items()])
            house.want(
                [
                    dict(zip(COLUMNS, (f"c{person}", email(key), "ours", value), strict=True))
                    for person, (key, value) in rows.items()
                ],
                dict.fromkeys(COLUMNS, "text"),
            )
            wanted = {
                email(key): value for person, (key, value) in rows.items() if step.consents.get(person) == "granted"
            }
            server.faults = Faults(seed=step.seed)
            if step.fault:
                setattr(server.faults, step.fault, 0.4)
            run_sync(house.sync, house.settings, patience=IMPATIENT)  # in bad weather, and cut off at once

        server.faults = Faults()
        for _ in range(3):
            with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as connection:
                connection.execute("update rejected set next_attempt_at = rejected_at")
            result = run_sync(house.sync, house.settings, patience=PATIENT)
            assert result.status == "done" and not result.refused
        assert result.calls == 0, "the last run had nothing to do"

        live = server.crm.live()
        found = [record["email"].lower() for record in live]
        assert len(found) == len(set(found)), "nobody twice"
        ours = {record["email"].lower(): record["cf_kinship_stage"] for record in live if record["cf_kinship_stage"]}
        assert ours == wanted
        assert {record["id"] for record in live} >= set(theirs.values()), "what was there before is never deleted"
        with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=False) as connection:
            kept = connection.execute("select key from accepted order by key").fetchall()
            assert [key for (key,) in kept] == sorted(wanted)
            assert connection.execute("select count(*) from claims").fetchone() == (0,)


FEW = settings(
    max_examples=int(os.environ.get("KINSHIP_TEST_EXAMPLES", "8")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)


@FEW
@given(rounds, st.sets(st.sampled_from(KEYS), max_size=2))
def test_the_crm_ends_with_what_is_wanted(sequence: list[Round], before: set[int]) -> None:
    run_rounds(sequence, before)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(FEW, max_examples=200)
@given(rounds, st.sets(st.sampled_from(KEYS), max_size=2))
def test_the_crm_ends_with_what_is_wanted_at_length(sequence: list[Round], before: set[int]) -> None:
    run_rounds(sequence, before)


# A tool with bulk calls: several batches at a time, small windows, a warehouse that changes under the run, people who
# unsubscribe over there, resyncs, limits.

MANY, MANY_KEYS = range(9), range(11)
ODD = [None, None, None, "poison", "wall", "crash", "mute"]


@dataclass
class Storm:
    """One state of the warehouse and what befalls one run. `later`: rows that the warehouse has from the so-manieth
    call on."""

    rows: dict[int, tuple[int, str]]
    consents: dict[int, str | None]
    later: tuple[int, dict[int, tuple[int, str]]] | None
    odd: tuple[int, str | None]
    opt_out: int | None
    fault: str | None
    seed: int
    parallel: int
    limit: int | None
    resync: bool


some_rows = st.dictionaries(st.sampled_from(MANY), st.tuples(st.sampled_from(MANY_KEYS), st.sampled_from("ab")))
storms = st.lists(
    st.builds(
        Storm,
        rows=some_rows,
        consents=st.fixed_dictionaries({person: st.sampled_from(STATUSES) for person in MANY}),
        later=st.none() | st.tuples(st.integers(1, 6), some_rows),
        odd=st.tuples(st.sampled_from(MANY_KEYS), st.sampled_from(ODD)),
        opt_out=st.none() | st.none() | st.sampled_from(MANY_KEYS),
        fault=st.sampled_from([None, "drop_before", "drop_after", "unavailable", "too_many"]),
        seed=st.integers(0, 9),
        parallel=st.integers(1, 4),
        limit=st.none() | st.none() | st.integers(0, 4),
        resync=st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def run_storms(sequence: list[Storm]) -> None:
    with tempfile.TemporaryDirectory() as folder, SinkServer() as server, pytest.MonkeyPatch.context() as patch:
        use_sink(patch, server)
        patch.setattr("reverse_etl_sink.Sink.settle_seconds", 0.02)
        patch.setattr(reverse_etl.payloads, "WINDOW", 4)
        house = House(Path(folder), "sync_sink__people", mode="mirror", max_change_share=1)
        had: Counter[tuple[str, str]] = Counter()
        wanted: dict[int, tuple[int, str]] = {}

        def want(rows: dict[int, tuple[int, str]], odd: tuple[int, str | None] = (0, None)) -> None:
            nonlocal wanted
            wanted = unique(rows)
            had.update((email(key), f"c{person}") for person, (key, _) in wanted.items())
            values = {key: odd[1] if odd[1] and key == odd[0] else value for key, value in wanted.values()}
            house.want(
                [
                    {"customer_id": f"c{person}", "email": email(key), "value": values[key]}
                    for person, (key, _) in wanted.items()
                ],
                {"customer_id": "text", "email": "text", "value": "text"},
            )

        for step in sequence:
            house.reload(options={"batch_size": 2, "parallel": step.parallel})
            house.consent([(f"c{person}", status) for person, status in step.consents.items()])
            want(step.rows, step.odd)
            if step.opt_out is not None:
                server.unsubscribed[email(step.opt_out)] = datetime.now(UTC).replace(tzinfo=None)
            calls = iter(range(1, 10_000))

            def change(request: Request, step: Storm = step, calls: object = calls) -> None:
                if step.later is not None and next(calls) == step.later[0]:  # type: ignore[call-overload]
                    want(step.later[1], step.odd)

            server.on_request = change
            server.faults = Faults(seed=step.seed)
            if step.fault:
                setattr(server.faults, step.fault, 0.3)
            impatient = Patience(attempts=2, first_wait=0.0001, longest_wait=0.0002, rate_limit_wait=0.0001)
            run_sync(house.sync, house.settings, patience=impatient, limit=step.limit, resync=step.resync)
            server.on_request = None

        server.faults = Faults()
        want({person: row for person, row in wanted.items()})
        ledger = house.settings.ledger / f"{house.name}.duckdb"
        for last in (False, False, False, True):
            if not last:
                with open_ledger(ledger, write=True) as connection:
                    connection.execute("update rejected set next_attempt_at = rejected_at")
                    connection.execute("update polls set polled_at = polled_at - interval 25 hours")
            result = run_sync(house.sync, house.settings, patience=PATIENT)
            assert result.status == "done" and result.left == 0
        assert result.calls == 0, "the last run had nothing to do"

        with open_ledger(ledger, write=False) as connection:
            accepted = connection.execute("select key, destination_id from accepted order by key").fetchall()
            assert connection.execute("from claims").fetchall() == []
            gone = connection.execute("select key, customer_id from opt_outs").fetchall()
        assert {key for key, _ in gone} == set(server.unsubscribed)
        left = {customer for key, customer in gone if customer is not None}
        assert all(had[key, customer] for key, customer in gone if customer is not None)
        consents = sequence[-1].consents
        expected = sorted(
            (email(key), value)
            for person, (key, value) in wanted.items()
            if consents[person] == "granted" and email(key) not in server.unsubscribed and f"c{person}" not in left
        )
        assert server.held == expected, "nobody twice, nobody missing, nobody who may not be there"
        assert sorted((key, number) for number, (key, _) in server.records.items()) == accepted
        assert not server.broken
        found = drift(house.sync, house.settings)
        assert (found.checked, found.drifted) == (len(expected), 0)


@FEW
@given(storms)
def test_storms_lose_nobody_and_double_nobody(sequence: list[Storm]) -> None:
    run_storms(sequence)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(FEW, max_examples=200)
@given(storms)
def test_storms_lose_nobody_and_double_nobody_at_length(sequence: list[Storm]) -> None:
    run_storms(sequence)
