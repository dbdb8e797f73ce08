"""Conformance: what every destination has to do, tried with each that is there against its tool (`tests/servers/`)."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.case import Case, Running, cases

from reverse_etl import AuthenticationError, RunResult, check_destination, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Destination, destination_class

CASES = {case.name: case for case in cases()}
HASTE = Patience(attempts=12, first_wait=0.001, longest_wait=0.005, rate_limit_wait=0.01)
NASTY = (
    "O'Brien",
    "=1+1",
    'say "hi"',
    "ไทย",
    "😀 family 👨‍👩‍👧",
    "<script>alert(1)</script>",
    "a,b;c|d",
    "back\\slash",
    "É\u0301 ß İ",
)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow if case.is_slow else ()) for name, case in CASES.items()]
)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def server(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    folder = tmp_path / "tool"
    folder.mkdir()
    with case.server(folder) as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(case: Case, server: Running, tmp_path: Path) -> House:
    return make_house(case, tmp_path)


def make_house(case: Case, folder: Path, **changes: Any) -> House:
    kind = destination_class(case.tool)
    mode = next(mode for mode in ("mirror", "upsert", "create", "update") if mode in kind.modes)
    block = {"mode": mode, **case.sync, "max_change_share": 1, **changes}
    house = House(folder, f"sync_{case.tool}__test", **block)
    house.consent([(f"c{n}", "granted") for n in range(100)], channel=block.get("channel") or "email")
    return house


def want(case: Case, house: House, values: dict[int, str], extra: list[dict[str, Any]] | None = None) -> None:
    """The model has these people with these values."""
    rows = [{"customer_id": f"c{n}", **case.row(n, value)} for n, value in values.items()] + (extra or [])
    names = case.row(0, "")
    types = {"customer_id": "text", **{name: case.types.get(name, "text") for name in names}}
    house.want(rows, types)


def run(house: House) -> RunResult:
    return run_sync(house.sync, house.settings, patience=HASTE)


def expected(case: Case, values: dict[int, str]) -> list[tuple[str, str]]:
    return sorted((case.key(n), "" if case.is_membership else value) for n, value in values.items())


def kind_of(case: Case) -> type[Destination]:
    return destination_class(case.tool)


def test_check_reaches_the_tool(case: Case, house: House) -> None:
    result = check_destination(case.tool, house.sync)
    assert result.status == "ok", result.message


def test_check_says_when_nothing_is_configured(
    case: Case, server: Running, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.wrong_credentials({}) is None:
        pytest.skip("needs no credentials")
    for name in server.environment:
        monkeypatch.delenv(name)
    result = check_destination(case.tool, house.sync)
    assert result.status == "not_configured" and "KINSHIP_" in result.message
    want(case, house, {1: "a"})
    assert run(house).status == "not_configured"


def test_wrong_credentials_stop_a_run_and_are_not_told(
    case: Case, server: Running, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = case.wrong_credentials(server.environment)
    if wrong is None:
        pytest.skip("needs no credentials")
    changed = {name: value for name, value in wrong.items() if value != server.environment.get(name)}
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    want(case, house, {1: "a", 2: "b"})
    with pytest.raises(AuthenticationError) as told:
        run(house)
    assert case.content(server) == []
    result = check_destination(case.tool, house.sync)
    assert result.status == "failed"
    for value in (*changed.values(), *(v for n, v in server.environment.items() if n in changed)):
        assert value not in str(told.value) and value not in result.message


def test_what_is_wanted_arrives_once_and_a_second_run_makes_no_call(case: Case, server: Any, house: House) -> None:
    values = {n: f"value {n}" for n in range(7)}
    want(case, house, values)
    result = run(house)
    assert (result.status, result.added, result.refused) == ("done", 7, {}), result
    assert case.content(server) == expected(case, values)
    calls = getattr(server, "calls", None)
    again = run(house)
    assert (again.calls, again.unchanged) == (0, 7)
    assert getattr(server, "calls", None) == calls
    assert getattr(server, "broken", []) == []


def test_changes_and_removals_follow(case: Case, server: Any, house: House) -> None:
    values = {n: "old" for n in range(6)}
    want(case, house, values)
    run(house)
    values = {n: "new" if n < 2 else "old" for n in range(5)} | {7: "fresh"}
    want(case, house, values)
    result = run(house)
    assert result.refused == {}
    if case.keeps_state:
        left = {} if house.sync.removes_leavers else {5: "old"}
        assert case.content(server) == expected(case, values | left)
    else:
        assert case.content(server) == expected(case, {**{n: "old" for n in range(6)}, 7: "fresh"})
    assert run(house).calls == 0


def test_who_withdraws_is_taken_back(case: Case, server: Any, house: House) -> None:
    want(case, house, {1: "a", 2: "b", 3: "c"})
    run(house)
    house.consent([("c1", "granted"), ("c2", "withdrawn")], channel=house.block.get("channel") or "email")
    result = run(house)
    assert result.withheld == {"withdrawn": 1, "no_consent": 1} and result.refused == {}
    assert case.content(server) == expected(case, {1: "a"} if case.keeps_state else {1: "a", 2: "b", 3: "c"})


def test_every_text_arrives_as_it_left(case: Case, server: Any, house: House) -> None:
    values = dict(enumerate(NASTY))
    want(case, house, values)
    result = run(house)
    assert result.refused == {}
    assert case.content(server) == expected(case, values)


def test_a_refused_row_keeps_nobody_back_and_goes_as_soon_as_it_can(case: Case, server: Any, house: House) -> None:
    poisoned = case.poisoned(3)
    if poisoned is None:
        pytest.skip("the tool takes anything")
    values = {1: "a", 2: "b", 4: "d"}
    want(case, house, values, [{"customer_id": "c3", **poisoned}])
    result = run(house)
    assert (result.added, sum(result.refused.values())) == (3, 1), result
    assert case.content(server) == expected(case, values)
    want(case, house, values | {3: "c"})
    result = run(house)
    assert (result.added, result.refused) == (1, {})
    assert case.content(server) == expected(case, values | {3: "c"})


def test_a_record_that_was_there_is_not_made_twice_nor_deleted(case: Case, server: Any, house: House) -> None:
    if type(case).before is Case.before:
        pytest.skip("the tool keeps no records of others")
    case.before(server, 1)
    want(case, house, {1: "ours", 2: "ours"})
    assert run(house).refused == {}
    assert case.content(server) == expected(case, {1: "ours", 2: "ours"})
    want(case, house, {2: "ours"})
    run(house)
    if house.sync.removes_leavers:
        assert case.content(server) == expected(case, {2: "ours"})


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_bad_weather_loses_nobody_and_doubles_nobody(case: Case, server: Any, house: House, seed: int) -> None:
    faults = case.faults(server)
    if faults is None:
        pytest.skip("the real tool: its connection is broken in its own tests")
    if seed >= case.weathers:
        pytest.skip("the real tool takes its time: fewer seeds")
    house.reload(options={**house.block.get("options", {}), "batch_size": 3})
    values: dict[int, str] = {}
    for step in range(3):
        values = {n: f"{step % 2} of {n}" for n in range(step * 2, step * 2 + 9)}
        arm(faults, seed * 10 + step, 0.12)
        want(case, house, values)
        for _ in range(30):
            if run(house).status == "done":
                break
        arm(faults, 0, 0.0)
    run(house)
    found = case.content(server)
    if not case.exact_once:
        found = sorted(set(found))
    if case.keeps_state and house.sync.removes_leavers:
        assert found == expected(case, values)
    else:
        assert set(expected(case, values)) <= set(found) or not case.keeps_state
        assert len(found) == len(set(found))
    assert run(house).calls == 0


def arm(faults: Any, seed: int, share: float) -> None:
    faults.seed = seed
    faults.__post_init__()
    for name in ("drop_before", "drop_after", "unavailable", "too_many"):
        setattr(faults, name, share)


def test_nothing_personal_is_told(
    case: Case, server: Any, house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    if (faults := case.faults(server)) is not None:
        arm(faults, 5, 0.05)
    poisoned = case.poisoned(3)
    want(case, house, {1: "Secretname", 2: "Secretname"}, [{"customer_id": "c3", **poisoned}] if poisoned else [])
    results = [run(house) for _ in range(2)]
    told = caplog.text + "".join(capfd.readouterr()) + json.dumps([result.as_json() for result in results])
    told += str(house.query("select * from reverse_etl.sync_runs"))
    told += str(house.query("select * from reverse_etl.sync_results"))
    wrong = case.wrong_credentials(server.environment) or {}
    secrets = [v for n, v in server.environment.items() if n in wrong and wrong[n] != v]
    for secret in ("Secretname", case.key(1), case.key(3), *secrets):
        assert secret not in told
    for file in house.settings.ledger.iterdir():
        assert b"Secretname" not in file.read_bytes()
