"""The engine beside a tool with bulk calls: several batches at a time, windows, plans, opt-outs, resync, drift."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from reverse_etl_house import House
from reverse_etl_sink import SinkServer, use_sink, wait_for
from servers.base import Faults, Request

import reverse_etl.ledger
import reverse_etl.payloads
from reverse_etl import AuthenticationError, GuardError, LockedError, Progress, RunResult, plan_sync, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Operation
from reverse_etl.drift import drift

PATIENCE = Patience(attempts=3, first_wait=0.001, longest_wait=0.002, rate_limit_wait=0.01, warehouse_wait=20)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SinkServer]:
    with SinkServer() as server:
        use_sink(monkeypatch, server)
        yield server
        assert not server.broken


@pytest.fixture
def house(tmp_path: Path, server: SinkServer) -> House:
    house = House(tmp_path, "sync_sink__people", mode="mirror", max_change_share=1, options={"batch_size": 10})
    house.consent([(f"c{n}", "granted") for n in range(1000)])
    return house


def people(numbers: range, value: str = "a", **odd: str) -> list[dict[str, Any]]:
    """Person n has the key p<n> and a value; `odd` says other values, as p7="poison"."""
    return [{"customer_id": f"c{n}", "email": f"p{n}", "value": odd.get(f"p{n}", value)} for n in numbers]


def held(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((row["email"], row["value"]) for row in rows)


def run(house: House, **named: Any) -> RunResult:
    return run_sync(house.sync, house.settings, patience=named.pop("patience", PATIENCE), **named)


def test_several_batches_are_on_their_way_and_operations_wait_for_each_other(house: House, server: SinkServer) -> None:
    server.faults.latency = 0.2
    house.want(people(range(100)))
    run(house)
    assert server.most_at_once == 4
    server.faults.latency = 0.02
    server.log.clear()
    rows = [*people(range(50), "b"), *people(range(80, 150))]
    house.want(rows)
    result = run(house)
    assert (result.added, result.changed, result.removed, result.left) == (50, 50, 30, 0)
    operations = [operation for path, operation, _ in server.log if path != "/opt-outs"]
    assert operations == sorted(operations, key=["remove", "change", "add"].index)
    assert server.held == held(rows)
    assert run(house).calls == 0


def test_a_429_holds_up_all_and_costs_no_attempt(house: House, server: SinkServer) -> None:
    server.faults = Faults(seed=3, too_many=0.4, retry_after=0.02)
    house.want(people(range(200)))
    result = run(house, patience=Patience(attempts=1))
    assert (result.status, result.added, result.refused) == ("done", 200, {})
    assert server.held == held(people(range(200)))


def test_who_is_slowed_down_for_too_long_goes_on_in_the_next_run(house: House, server: SinkServer) -> None:
    server.faults = Faults(seed=3, too_many=1.0, retry_after=0.02)
    house.want(people(range(20)))
    result = run(house, patience=Patience(rate_limit_total=0.1))
    assert (result.status, result.left) == ("incomplete", 20)
    assert result.message is not None and "rate_limited" in result.message


def test_refused_credentials_stop_all_and_keep_what_was_accepted(house: House, server: SinkServer) -> None:
    house.want(people(range(100)))

    def lock_out(request: Request) -> None:
        server.locked_out = len(server.log) > 3

    server.on_request = lock_out
    with pytest.raises(AuthenticationError):
        run(house)
    (accepted,) = house.query_ledger("select count(*) from accepted")[0]
    assert 0 < accepted < 100
    # what another worker had on its way may have arrived: its claim tells the next run to look
    known = house.query_ledger("select key from accepted union select key from claims")
    assert {who for who, _ in server.records.values()} <= {key for (key,) in known}
    assert house.query("select status, added from reverse_etl.sync_runs") == [("failed", accepted)]
    server.on_request, server.locked_out = None, False
    assert run(house).added == 100 - accepted
    assert server.held == held(people(range(100)))


def test_batches_are_cut_by_bytes_and_too_large_rows_are_not_sent(house: House, server: SinkServer) -> None:
    house.reload(options={"batch_bytes": 600, "row_bytes": 300, "parallel": 1})
    rows = people(range(20), "é" * 50)
    house.want([*rows, {"customer_id": "c50", "email": "p50", "value": "é" * 140}])
    sizes: list[int] = []

    def weigh(request: Request) -> None:
        if request.path == "/records":
            fields = [record["fields"] for record in request.json()["records"]]
            sizes.append(len(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()))

    server.on_request = weigh
    result = run(house)
    assert (result.added, result.refused) == (20, {"too_large": 1})
    assert max(sizes) <= 600 and min(sizes[:-1]) > 600 - 300
    assert server.held == held(rows)
    assert run(house).withheld == {"backoff": 1}


def test_poisoned_rows_stop_nobody(house: House, server: SinkServer) -> None:
    odd = {"p3": "poison", "p14": "wall", "p25": "crash", "p36": "mute"}
    house.want(people(range(60), **odd))
    result = run(house)
    assert result.refused == {"http_400": 1, "http_500": 1, "invalid_value": 1, "no_outcome": 1}
    assert (result.status, result.added, result.left) == ("done", 56, 0)
    assert server.held == held([row for row in people(range(60)) if row["email"] not in odd])
    again = run(house)
    assert (again.withheld, again.calls) == ({"backoff": 4}, 0)
    house.want(people(range(60)))
    assert run(house).added == 4, "a changed payload is sent at once"
    assert server.held == held(people(range(60)))


def test_a_server_that_only_fails_is_not_asked_for_ever(house: House, server: SinkServer) -> None:
    house.reload(options={"batch_size": 64, "parallel": 1})
    house.want(people(range(64), "crash"))
    result = run(house)
    assert (result.status, result.left, result.refused) == ("incomplete", 64, {})
    assert server.calls < 50
    house.want(people(range(64)))
    assert run(house).added == 64


def test_refusals_that_time_does_not_mend_wait_longer(house: House, server: SinkServer) -> None:
    house.want(people(range(4), p1="poison", p2="mute"))
    run(house)
    waits = dict(house.query_ledger("select error_class, epoch(next_attempt_at - rejected_at)::int from rejected"))
    assert waits == {"invalid_value": 24 * 3600, "no_outcome": 300}


def test_a_clock_that_was_wrong_holds_up_nobody(
    house: House, server: SinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        ahead = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + cls.ahead

    monkeypatch.setattr(reverse_etl.ledger, "datetime", Clock)
    rows = people(range(30), p1="poison")
    server.unsubscribed["p2"] = datetime(2030, 1, 1)
    for step, days in enumerate((3000, 0, 4000, -3000, 1)):
        Clock.ahead = timedelta(days=days)
        rows = people(range(30), f"v{step}", p1="poison")
        house.want(rows)
        before = server.calls
        result = run(house)
        assert result.refused == {"invalid_value": 1}, "a refusal from the future means nothing"
        assert server.calls > before
        assert server.held == held([row for row in rows if row["email"] not in ("p1", "p2")])
    assert run(house).calls == 0


# windows


def small_windows(patch: pytest.MonkeyPatch, rows: int) -> None:
    patch.setattr(reverse_etl.payloads, "WINDOW", rows)


def at_call(server: SinkServer, number: int, act: Callable[[], None]) -> None:
    """Do it while the so-manieth call that sends records is on its way."""
    calls = iter(range(1, 10_000))

    def on_request(request: Request) -> None:
        if request.path == "/records" and next(calls) == number:
            act()

    server.on_request = on_request


def test_the_warehouse_can_be_written_while_a_destination_is_talked_to(
    house: House, server: SinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_windows(monkeypatch, 20)
    house.want(people(range(60)))
    written: list[int] = []

    def try_to_write() -> bool:
        try:
            with duckdb.connect(str(house.settings.warehouse)) as connection:
                written.append(connection.execute("create or replace table other as select 1").fetchall()[0][0])
        except (duckdb.IOException, duckdb.BinderException):
            return False  # a window is being read just now
        return True

    server.on_request = lambda request: wait_for(try_to_write)
    assert run(house).added == 60
    assert len(written) == server.calls >= 6


def test_a_writer_between_two_windows_is_waited_for(
    house: House, server: SinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_windows(monkeypatch, 20)
    house.reload(options={"batch_size": 20, "parallel": 1})
    house.want(people(range(60)))
    held_open: list[duckdb.DuckDBPyConnection] = []

    def take_lock() -> None:
        held_open.append(duckdb.connect(str(house.settings.warehouse)))

    def let_go() -> None:
        wait_for(lambda: len(server.records) == 20)
        held_open[0].close()

    at_call(server, 1, take_lock)
    waiter = threading.Timer(0.5, let_go)
    waiter.start()
    result = run(house)
    waiter.join()
    assert (result.status, result.added) == ("done", 60)


def test_a_writer_that_stays_leaves_the_rest_to_the_next_run(
    house: House, server: SinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_windows(monkeypatch, 20)
    house.reload(options={"batch_size": 20, "parallel": 1})
    house.want(people(range(60)))
    held_open: list[duckdb.DuckDBPyConnection] = []
    at_call(server, 1, lambda: held_open.append(duckdb.connect(str(house.settings.warehouse))))
    result = run(house, patience=Patience(warehouse_wait=0.3))
    assert (result.status, result.added, result.left) == ("incomplete", 20, 40)
    assert result.message is not None and "in use" in result.message
    held_open[0].close()
    server.on_request = None
    assert run(house).added == 40
    assert server.held == held(people(range(60)))


def test_rows_that_changed_since_the_plan_are_left_to_the_next_run(
    house: House, server: SinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_windows(monkeypatch, 20)
    house.reload(options={"batch_size": 20, "parallel": 1})
    house.want(people(range(80)))
    run(house)
    house.want(people(range(60), "b"))  # 20 removals, 60 changes

    def change() -> None:
        house.want([*people(range(30), "b"), *people(range(30, 60), "c"), *people(range(60, 70), "b")])
        house.consent([(f"c{n}", "granted") for n in range(1000) if n != 5])

    at_call(server, 1, change)
    result = run(house)
    # the first 20 rows (by key) were read with the plan; of the others 5 (or not), 30 to 59 changed
    assert result.removed == 20 and result.left > 0 and result.status == "done"
    assert result.changed + result.left == 60
    assert result.message is not None and f"{result.left} rows changed" in result.message
    server.on_request = None
    second = run(house)
    assert second.left == 0
    wanted = [*people(range(30), "b"), *people(range(30, 60), "c"), *people(range(60, 70), "b")]
    assert server.held == held([row for row in wanted if row["customer_id"] != "c5"])


# plan, progress, limit, rehearsal


def test_the_plan_is_put_down_before_the_first_call(house: House, server: SinkServer) -> None:
    house.want(people(range(20)))
    plans: list[Any] = []

    def look(request: Request) -> None:
        with duckdb.connect(str(house.settings.ledger / f"{house.name}.duckdb")) as ledger:
            plans.append(ledger.execute("select adds, changes, removals, erasures, calls, cost from plans").fetchall())

    server.on_request = look
    result = run(house)
    assert plans[0] == [(20, 0, 0, 0, 2, "calls")]
    assert house.query("select run_id, adds, withheld, guard from reverse_etl.sync_plans") == [
        (result.run_id, 20, "{}", None)
    ]
    assert house.query_ledger("from plans") == []


def test_progress_tells_rate_and_time_left(house: House, server: SinkServer) -> None:
    told: list[Progress] = []
    house.want(people(range(50)))
    run(house, on_progress=told.append)
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    last = told[-1]
    assert (last.done, last.total) == (50, 50) and last.calls >= 5
    assert last.rate is not None and last.rate > 0 and last.seconds_left == 0
    assert all(one.seconds_left is not None and one.seconds_left > 0 for one in told[:-1])


def test_a_limited_run_sends_so_many_rows(house: House, server: SinkServer) -> None:
    house.want(people(range(50)))
    result = run(house, limit=15)
    assert (result.added, result.left, result.status) == (15, 35, "done")
    assert run(house).added == 35


def test_a_rehearsal_calls_nobody_and_writes_nothing(house: House, server: SinkServer) -> None:
    house.reload(options={"batch_size": 10, "row_bytes": 300})
    house.want(people(range(30)))
    assert run(house, dry_run=True).added == 30 and not house.settings.ledger.exists()
    run(house)
    house.want([*people(range(20), "b"), *people(range(40, 43)), *people(range(50, 51), "x" * 300)])
    ledger = (house.settings.ledger / f"{house.name}.duckdb").read_bytes()
    calls = server.calls
    result = run(house, dry_run=True)
    assert (result.status, result.added, result.changed, result.removed) == ("dry_run", 3, 20, 10)
    assert result.refused == {"too_large": 1} and result.calls == 4
    assert run(house, dry_run=True, limit=12).changed == 2
    house.want(people(range(30)))
    assert run(house, dry_run=True).changed == 0
    assert run(house, dry_run=True, resync=True).changed == 30
    assert server.calls == calls and (house.settings.ledger / f"{house.name}.duckdb").read_bytes() == ledger


def test_the_days_calls_are_not_overdrawn_by_calls_that_were_not_planned(house: House, server: SinkServer) -> None:
    # the plan counts four calls; each batch is looked up as well, and one more call asks who unsubscribed
    house.reload(options={"batch_size": 10, "parallel": 1, "requests_per_day": 6})
    house.want(people(range(40)))
    result = run(house)
    assert (result.status, result.added, result.withheld, result.quota) == ("done", 30, {"quota": 10}, 0)
    again = run(house)
    assert (again.calls, again.withheld, again.quota) == (0, {"quota": 10}, 0)
    house.reload(options={"batch_size": 10})
    assert run(house).added == 10


# opt-outs


def test_who_unsubscribes_over_there_is_withheld_and_taken_back(house: House, server: SinkServer) -> None:
    house.want(people(range(20)))
    server.unsubscribed["P3"] = server.unsubscribed["stranger"] = datetime(2026, 1, 1)
    result = run(house)
    assert (result.added, result.opted_out, result.withheld) == (19, 2, {"opted_out": 1}), "asked before the first row"
    calls = server.calls
    assert (run(house).calls, server.calls) == (0, calls), "not asked again within a day when nothing is due"
    server.unsubscribed["p4"] = datetime(2036, 1, 1)
    house.want(people(range(20), "b"))
    result = run(house)
    assert (result.changed, result.removed, result.opted_out) == (18, 1, 1)
    assert server.held == held([row for row in people(range(20), "b") if row["email"] not in ("p3", "p4")])
    known = house.query_ledger("select key, customer_id, channel, source, told from opt_outs order by key")
    assert known == [
        ("P3", None, "email", "poll", False), ("p4", "c4", "email", "poll", False),
        ("stranger", None, "email", "poll", False),
    ]  # fmt: skip
    server.unsubscribed.clear()
    assert run(house).calls == 0, "never subscribed again by us"


def test_a_row_refused_as_opted_out_is_an_opt_out(house: House, server: SinkServer) -> None:
    house.want(people(range(5)))
    run(house)
    server.on_request = lambda request: server.unsubscribed.update(p1=datetime(1999, 1, 1))
    house.want(people(range(5), "b"))
    server.unsubscribed["p1"] = datetime(1999, 1, 1)
    # listed with an old date only: the poll does not find it, the send does
    result = run(house)
    assert (result.changed, result.refused, result.opted_out) == (4, {"opted_out": 1}, 1)
    assert house.query_ledger("select key, customer_id, channel, source from opt_outs") == [("p1", "c1", "any", "send")]
    assert run(house).removed == 1, "what was sent before is taken back"
    assert run(house).calls == 0
    assert "p1" not in dict(server.held)


def test_opt_outs_are_asked_for_once_a_day(house: House, server: SinkServer) -> None:
    house.want(people(range(5)))
    run(house)
    with duckdb.connect(str(house.settings.ledger / f"{house.name}.duckdb")) as ledger:
        ledger.execute("update polls set polled_at = polled_at - interval 25 hours")
    server.unsubscribed["p2"] = datetime(2036, 1, 1)
    result = run(house)
    assert (result.removed, result.opted_out) == (1, 1)
    assert run(house).calls == 0


# resync


def test_ten_removed_rows_and_a_forced_resync_make_exactly_ten_removals(house: House, server: SinkServer) -> None:
    house.reload(max_change_share=0.3, guard_floor=0)
    house.want(people(range(40)))
    run(house)
    server.log.clear()
    house.want(people(range(30)))
    result = run(house, resync=True)
    assert (result.removed, result.changed, result.added) == (10, 30, 0), "and the guard knows what was asked for"
    assert server.rows(Operation.REMOVE) == 10 and server.rows(Operation.CHANGE) == 30
    assert server.held == held(people(range(30)))
    assert run(house).calls == 0
    house.want(people(range(10)))
    with pytest.raises(GuardError):
        run(house, resync=True)


def test_a_resync_that_breaks_off_goes_on(house: House, server: SinkServer) -> None:
    house.want(people(range(60)))
    run(house)
    server.faults = Faults(seed=1, unavailable=0.5)
    house.want(people(range(50)))
    first = run(house, resync=True, patience=Patience(attempts=1))
    server.faults = Faults()
    second = run(house)
    assert first.changed + second.changed == 50 and first.removed + second.removed == 10
    assert first.status == "incomplete"


# drift


def test_drift_tells_what_changed_over_there(house: House, server: SinkServer) -> None:
    house.want(people(range(30)))
    run(house)
    assert drift(house.sync, house.settings).drifted == 0
    numbers = {key: number for number, (key, _) in server.records.items()}
    del server.records[numbers["p1"]]
    server.records[numbers["p2"]] = ("p2", {"email": "p2", "value": "secret"})
    server.records[numbers["p3"]] = ("p3", {"email": "p3", "value": "ours"})
    house.want([*people(range(3)), *people(range(3, 4), "ours"), *people(range(4, 30))])  # p3 is due anyway
    found = drift(house.sync, house.settings)
    assert (found.accepted, found.checked, found.missing, found.different) == (30, 29, 1, 1)
    assert found.fields == {"value": 1}
    assert found.samples == {
        kind: [hashlib.sha256(key.encode()).hexdigest()] for kind, key in (("missing", "p1"), ("different", "p2"))
    }
    assert "secret" not in json.dumps(found.as_json())
    assert drift(house.sync, house.settings, 10).checked in (9, 10)
    assert plan_sync(house.sync, house.settings).changes == 1
    assert drift(house.sync, house.settings, repair=True).made_due == 2
    result = run(house)
    assert result.changed == 3
    assert server.held == held([*people(range(3)), *people(range(3, 4), "ours"), *people(range(4, 30))])
    assert drift(house.sync, house.settings).drifted == 0


def test_drift_finds_what_was_never_written(house: House, server: SinkServer) -> None:
    def lose_every_second_batch(request: Request) -> None:
        if request.path == "/records":
            server.is_silent = len(server.log) % 2 == 1

    server.on_request = lose_every_second_batch
    house.want(people(range(60)))
    run(house)
    server.on_request = None
    found = drift(house.sync, house.settings, repair=True)
    assert found.missing == 60 - len(server.records) > 0
    run(house)
    assert server.held == held(people(range(60)))


def test_two_runs_at_once_do_not_meet(house: House, server: SinkServer) -> None:
    house.want(people(range(20)))
    met: list[str] = []

    def again() -> None:
        try:
            run(house)
        except LockedError as error:
            met.append(str(error))

    at_call(server, 1, again)
    assert run(house).added == 20
    assert len(met) == 1
    assert server.held == held(people(range(20)))


def test_a_ledger_of_an_older_version_is_brought_up_to_date(house: House, server: SinkServer) -> None:
    house.want(people(range(20)))
    run(house)
    with duckdb.connect(str(house.settings.ledger / f"{house.name}.duckdb")) as ledger:
        ledger.execute(
            """drop table version; drop table plans; drop table opt_outs; drop table polls;
            alter table runs drop column erased; alter table runs drop column opted_out"""
        )
    house.want(people(range(30)))
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.changes, plan.accepted) == (10, 0, 20)
    assert run(house).added == 10
    assert server.held == held(people(range(30)))
