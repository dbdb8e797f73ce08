"""The engine with the file destination: what is sent, what is withheld and why, and what stops a run."""

import csv
import hashlib
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from reverse_etl_house import House, manifest, people

from reverse_etl import ConfigurationError, GuardError, LockedError, load_syncs, plan_sync, run_sync, sync_status
from reverse_etl.ledger import open_ledger
from reverse_etl.results import flush

EVERYBODY = [(f"c{n}", "granted") for n in range(1, 200)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.consent(EVERYBODY)
    return house


def drops(house: House) -> list[dict[str, Any]]:
    """The manifests, in the order of sending, each with its rows (CSV only)."""
    folder = house.settings.state / "outbox" / house.name
    found = []
    for path in sorted(folder.glob("*.manifest.json")):
        told = json.loads(path.read_text())
        with (folder / told["file"]).open(newline="", encoding="utf-8") as file:
            found.append({**told, "content": list(csv.DictReader(file))})
    return found


def at_destination(house: House) -> dict[str, dict[str, str]]:
    """What a consumer of the files holds after it applied them in order."""
    state: dict[str, dict[str, str]] = {}
    for drop in drops(house):
        for row in drop["content"]:
            if row.pop("_operation") == "remove":
                state.pop(row["email"], None)
            else:
                state[row["email"]] = row
    return state


def run(house: House, **options: Any) -> Any:
    return run_sync(house.sync, house.settings, **options)


def test_what_is_planned_is_sent_and_the_second_run_does_nothing(house: House) -> None:
    house.want(people(1, 2, 3))
    plan = plan_sync(house.sync, house.settings)
    hashed = [hashlib.sha256(f"p{n}@example.com".encode()).hexdigest() for n in (1, 2, 3)]
    assert plan.as_json() == {
        "sync": "sync_file__people", "adds": 3, "changes": 0, "removals": 0, "withheld": {}, "calls": 1,
        "erasures": 0, "merges": 0, "reasons": {}, "unchanged": 0, "accepted": 0, "seconds": None, "days": None,
        "cost": "calls", "units": 1, "guard": None, "samples": {"add": hashed},
    }  # fmt: skip
    assert not drops(house)

    result = run(house)
    assert (result.status, result.added, result.calls, result.left) == ("done", 3, 1, 0)
    assert set(at_destination(house)) == {"p1@example.com", "p2@example.com", "p3@example.com"}

    before = house.query("select count(*) from reverse_etl.sync_runs"), len(drops(house))
    again = run(house)
    assert (again.added, again.changed, again.removed, again.calls, again.run_id) == (0, 0, 0, 0, None)
    assert again.unchanged == 3
    assert (house.query("select count(*) from reverse_etl.sync_runs"), len(drops(house))) == before
    assert plan_sync(house.sync, house.settings).is_empty


def test_only_what_differs_is_sent(house: House) -> None:
    house.want(people(1, 2, 3))
    run(house)
    house.want([*people(1), *people(2, firstname="Eva"), *people(4)])
    result = run(house)
    assert (result.added, result.changed, result.removed, result.unchanged) == (1, 1, 0, 1)
    assert at_destination(house)["p2@example.com"]["firstname"] == "Eva2"
    assert "p3@example.com" in at_destination(house), "mode upsert keeps who left the model"


def test_mirror_removes_who_left(house: House) -> None:
    house.reload(mode="mirror", max_change_share=1)
    house.want(people(1, 2, 3))
    run(house)
    house.want(people(1))
    assert run(house).removed == 2
    assert set(at_destination(house)) == {"p1@example.com"}
    house.want([])
    assert run(house).removed == 1
    assert at_destination(house) == {}


def test_removals_go_before_changes_and_changes_before_additions(house: House) -> None:
    house.reload(mode="mirror")
    house.want(people(1, 2))
    run(house)
    house.want([*people(2, firstname="Eva"), *people(3)])
    run(house)
    assert [(drop["operation"], drop["rows"]) for drop in drops(house)[1:]] == [
        ("remove", 1), ("upsert", 1), ("upsert", 1),
    ]  # fmt: skip


def test_the_manifest_tells_what_is_in_the_file(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    (drop,) = drops(house)
    file = house.settings.state / "outbox" / house.name / drop["file"]
    assert drop["rows"] == 2
    assert drop["columns"] == ["_operation", "email", "firstname"]
    assert drop["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (drop["sync"], drop["object"], drop["key"]) == (house.name, "people", "email")
    assert not list(file.parent.glob(".*")), "no draft is left behind"


AWKWARD = {
    1: 'O\'Brien, "Bob"',
    2: "two\nlines\r\nand a tab\t",
    3: "Ελένη สมชาย Живка 🦊",
    4: "=HYPERLINK(1)",
    5: "",
    6: None,
}
TYPES = {
    "customer_id": "text", "email": "text", "name": "text", "born": "date", "amount": "decimal(18,2)", "vip": "boolean",
    "seen_at": "timestamp", "score": "double", "tags": "text[]", "_private": "text",
}  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_values_arrive_as_they_are(house: House, form: str) -> None:
    house.reload(options={"format": form})
    rows = [
        {
            "customer_id": f"c{n}", "email": f"p{n}@example.com", "name": name, "born": date(1990, 2, n),
            "amount": Decimal("12.30"), "vip": True, "seen_at": datetime(2026, 1, 2, 3, 4, 5),
            "score": float("nan") if n == 1 else 0.5, "tags": ["a, b", 'c"d'], "_private": "stays in the house",
        }
        for n, name in AWKWARD.items()
    ]  # fmt: skip
    house.want(rows, TYPES)
    run(house)
    (file,) = (house.settings.state / "outbox" / house.name).glob(f"*.{form}")
    read: list[dict[str, Any]]
    if form == "csv":
        with file.open(newline="", encoding="utf-8") as stream:
            read = list(csv.DictReader(stream))
        assert [row["tags"] for row in read] == ['["a, b","c\\"d"]'] * 6, "a list is JSON text in a CSV"
        assert [row["name"] for row in read] == [name or "" for name in AWKWARD.values()]
    else:
        read = [json.loads(line) for line in file.read_text().splitlines()] if form == "jsonl" else pq.read_table(
            file
        ).to_pylist()  # fmt: skip
        assert [row["tags"] for row in read] == [["a, b", 'c"d']] * 6
        assert [row["name"] for row in read] == list(AWKWARD.values())
    assert "stays in the house" not in file.read_bytes().decode("utf-8", "replace")
    assert str(read[0]["born"]) == "1990-02-01"
    assert str(read[0]["amount"]) in ("12.30", "12.3")
    assert str(read[0]["vip"]).lower() == "true"
    assert str(read[0]["seen_at"]).startswith("2026-01-02 03:04:05")
    assert read[0]["score"] in (None, "") and float(read[1]["score"]) == 0.5


def test_the_same_batch_sent_again_overwrites_its_file(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    # as after a crash between the file's rename and the ledger's commit
    with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as connection:
        (batch,) = (drop["file"].removesuffix(".csv") for drop in drops(house))
        connection.execute(
            """insert into claims
            select key, payload_hash, 'add', null, customer_id, true, ?, 2, accepted_at, null from accepted;""",
            [batch],
        )
        connection.execute("delete from accepted")
    assert run(house).added == 2
    assert len(drops(house)) == 1


def test_consent_is_denied_unless_it_was_given(house: House) -> None:
    house.consent(
        [
            ("c1", "granted"), ("c2", "denied"), ("c3", "withdrawn"), ("c4", None), ("c5", "maybe"),
            ("c7", "granted"), ("c7", "withdrawn"), ("c8", "granted"), ("c8", "denied"), (None, "granted"),
        ]
    )  # fmt: skip
    house.want([*people(1, 2, 3, 4, 5, 6, 7, 8), {"customer_id": None, "email": "x@example.com", "firstname": "X"}])
    result = run(house)
    assert result.added == 1
    assert result.withheld == {"no_consent": 2, "denied": 2, "withdrawn": 2, "unknown": 2}
    assert set(at_destination(house)) == {"p1@example.com"}


def test_consent_counts_for_its_purpose_and_channel_only(house: House) -> None:
    house.consent([("c1", "granted")], channel="sms")
    house.want(people(1))
    house.reload(channel="email")
    assert run(house).withheld == {"no_consent": 1}
    house.reload(channel="sms", purpose="analytics")
    assert run(house).withheld == {"no_consent": 1}
    house.reload(purpose="marketing")
    assert run(house).added == 1


def test_without_consents_nothing_is_sent(house: House) -> None:
    house.want(people(1))
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute("alter table customers.customer_consents drop column status")
    with pytest.raises(ConfigurationError, match="lacks status"):
        run(house)
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute("drop table customers.customer_consents")
    for act in (plan_sync, run_sync):
        with pytest.raises(ConfigurationError, match="without consents nothing is sent"):
            act(house.sync, house.settings)
    assert not drops(house)


@pytest.mark.parametrize("status", ["withdrawn", "denied", None])
def test_who_withdraws_is_removed_also_where_leavers_are_kept(house: House, status: str | None) -> None:
    house.want(people(1, 2, 3))
    run(house)
    house.consent([("c1", "granted"), ("c2", status), ("c3", "granted")])
    house.want(people(1, 2))  # c3 left the model: kept
    assert run(house).removed == 1
    assert set(at_destination(house)) == {"p1@example.com", "p3@example.com"}
    house.consent([("c1", "granted")])  # c3 has no consent any more, and is not in the model either
    assert run(house).removed == 1
    assert set(at_destination(house)) == {"p1@example.com"}


def test_missing_and_doubtful_keys_are_withheld(house: House) -> None:
    house.want(
        [
            *people(1), {"customer_id": "c2", "email": None, "firstname": "B"},
            {"customer_id": "c3", "email": "  ", "firstname": "C"},
            {"customer_id": "c4", "email": "same@example.com", "firstname": "D"},
            {"customer_id": "c5", "email": " same@example.com", "firstname": "E"},
        ]
    )  # fmt: skip
    result = run(house)
    assert result.added == 1
    assert result.withheld == {"null_key": 2, "duplicate_key": 2}


def test_a_key_that_becomes_doubtful_stays_as_it_was(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    house.want([*people(1, 2), {**people(2)[0], "customer_id": "c9", "firstname": "Other"}])
    result = run(house)
    assert (result.changed, result.removed, result.withheld) == (0, 0, {"duplicate_key": 2})
    house.consent([("c1", "granted"), ("c9", "granted")])
    assert run(house).removed == 1, "but not when the person it was sent for withdraws"


def test_a_changed_key_leaves_no_twin(house: House) -> None:
    house.want(people(1, 2))
    run(house)
    house.want([*people(1), {"customer_id": "c2", "email": "new@example.com", "firstname": "Ana2"}])
    result = run(house)
    assert (result.added, result.removed) == (1, 1)
    assert set(at_destination(house)) == {"p1@example.com", "new@example.com"}
    assert run(house).run_id is None


def test_a_key_goes_on_under_another_customer(house: House) -> None:
    house.want(people(1))
    run(house)
    house.want([{**people(1)[0], "customer_id": "c7"}])
    assert run(house).calls == 0, "what was sent is the same"
    house.consent([("c7", "granted")])
    assert run(house).removed == 0, "the old id has no say any more"
    assert set(at_destination(house)) == {"p1@example.com"}


def test_a_guard_stops_a_large_change_until_it_is_allowed(house: House) -> None:
    house.want(people(*range(1, 101)))
    run(house)
    house.want([*people(*range(1, 61)), *people(*range(61, 101), firstname="Eva")])
    guard = plan_sync(house.sync, house.settings).guard
    assert guard is not None and "40%" in guard and "20%" in guard and "sync_file__people.sql" in guard
    with pytest.raises(GuardError, match="40 changes and 0 removals are 40%"):
        run(house)
    assert len(drops(house)) == 1 and len(house.query("from reverse_etl.sync_runs")) == 1
    with pytest.raises(GuardError):
        run(house, allow_change_share=0.3)
    assert run(house, allow_change_share=0.4).changed == 40


def test_a_guard_stops_an_empty_model(house: House) -> None:
    house.want(people(*range(1, 31)))
    run(house)
    house.want([])
    with pytest.raises(GuardError, match="the model is empty while 30 rows were accepted"):
        run(house)
    assert run(house, allow_change_share=1).removed == 0
    house.reload(mode="mirror")
    assert run(house, allow_change_share=1).removed == 30


def test_small_syncs_may_change_wholly(house: House) -> None:
    house.want(people(1, 2, 3))
    run(house)
    house.want(people(1, 2, 3, firstname="Eva"))
    assert run(house).changed == 3, "below guard_floor a share says nothing"
    house.reload(guard_floor=0)
    house.want(people(1, 2, 3, firstname="Ida"))
    with pytest.raises(GuardError):
        run(house)


def test_the_quota_cuts_off_the_least_valuable(house: House) -> None:
    house.reload(priority="_value", options={"batch_size": 2, "requests_per_day": 2})
    types = {"customer_id": "text", "email": "text", "_value": "integer"}
    house.want([{"customer_id": f"c{n}", "email": f"p{n}@example.com", "_value": n} for n in range(1, 7)], types)
    plan = plan_sync(house.sync, house.settings)
    assert (plan.adds, plan.calls, plan.withheld) == (4, 2, {"quota": 2})
    assert run(house).added == 4
    assert set(at_destination(house)) == {f"p{n}@example.com" for n in (3, 4, 5, 6)}
    assert run(house).withheld == {"quota": 2}, "the calls of the last 24 hours count"
    house.reload(options={"batch_size": 2})
    assert run(house).added == 2


def test_the_ledger_and_the_warehouse_hold_no_payload(house: House) -> None:
    house.want([{"customer_id": "c1", "email": "p1@example.com", "firstname": "Unmistakable"}])
    run(house)
    house.want([{"customer_id": "c1", "email": "p1@example.com", "firstname": "Unforgettable"}])
    run(house)
    for file in house.settings.ledger.iterdir():
        assert not re.search(rb"Unmistakable|Unforgettable", file.read_bytes())
    results = house.query(
        "select key_hash, customer_id, operation, outcome, error_class"
        " from reverse_etl.sync_results order by recorded_at"
    )
    hashed = hashlib.sha256(b"p1@example.com").hexdigest()
    assert results == [(hashed, "c1", "add", "accepted", None), (hashed, "c1", "change", "accepted", None)]
    for table in ("sync_runs", "sync_results"):
        assert "example.com" not in str(house.query(f"from reverse_etl.{table}"))


def test_runs_are_counted_in_the_warehouse(house: House) -> None:
    house.want(people(1, 2, 300))
    run(house)
    assert house.query(
        "select sync, destination, status, added, changed, removed, refused, left_over, withheld, calls"
        " from reverse_etl.sync_runs"
    ) == [("sync_file__people", "file", "done", 2, 0, 0, 0, 0, '{"no_consent": 1}', 1)]


def test_what_the_warehouse_could_not_take_is_written_by_the_next_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.want(people(1, 2))
    monkeypatch.setattr("reverse_etl.engine.flush", partial(flush, patience=0.1))
    holder = None

    def hold(progress: object) -> None:
        nonlocal holder
        holder = duckdb.connect(str(house.settings.warehouse))  # somebody opens the warehouse while rows are sent

    result = run(house, on_progress=hold)
    assert holder is not None
    with pytest.raises(LockedError, match="in use"):
        run(house)
    holder.close()
    assert result.added == 2
    assert house.query("select count(*) from information_schema.tables where table_schema = 'reverse_etl'") == [(0,)]

    assert run(house).run_id is None
    assert house.query("select run_id, added from reverse_etl.sync_runs") == [(result.run_id, 2)]
    assert house.query("select count(*) from reverse_etl.sync_results") == [(2,)]
    run(house)
    assert house.query("select count(*) from reverse_etl.sync_results") == [(2,)]
    assert house.query_ledger("select count(*) from results") == [(0,)]


def test_two_runs_of_one_sync_do_not_meet(house: House) -> None:
    house.want(people(1))
    met: list[Exception] = []

    def run_again(progress: object) -> None:
        for act in (run_sync, plan_sync):
            try:
                act(house.sync, house.settings)
            except LockedError as error:
                met.append(error)
        assert sync_status(house.sync, house.settings).state == "running"

    run(house, on_progress=run_again)
    assert len(met) == 2


def test_status_tells_where_a_sync_stands(house: House) -> None:
    house.want(people(1, 2))
    assert sync_status(house.sync, house.settings).state == "never"
    run(house)
    status = sync_status(house.sync, house.settings)
    assert (status.state, status.accepted, status.refused, status.unsettled) == ("done", 2, {}, 0)
    assert status.last_run_at is not None
    assert abs((datetime.now(UTC).replace(tzinfo=None) - status.last_run_at).total_seconds()) < 60


def test_an_unwritable_folder_is_a_matter_of_configuration(house: House) -> None:
    (house.settings.state / "blocked").write_text("a file")
    house.reload(options={"directory": "blocked"})
    house.want(people(1))
    with pytest.raises(ConfigurationError, match="cannot make the directory"):
        run(house)
    assert house.query("select status, added, left_over from reverse_etl.sync_runs") == [("failed", 0, 1)]
    house.reload(options={})
    assert run(house).added == 1


BLOCK = {
    "destination": "file", "object": "people", "key": "email", "purpose": "marketing", "owner": "a@example.com",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"destinaton": "file"}, r"meta\.sync\.destinaton is not allowed \(did you mean destination\?\); allowed are"),
        ({"key": None}, r"meta\.sync\.key is missing"),
        ({"mode": "merge"}, r"meta\.sync\.mode: .*'upsert', 'update', 'create' or 'mirror'"),
        ({"mode": "update"}, r"meta\.sync\.mode: file cannot do 'update'; allowed are create, mirror, upsert"),
        (
            {"destination": "fax"},
            r"meta\.sync\.destination: destination 'fax' does not exist; there are: .*file, .*vtiger",
        ),
        ({"max_change_share": 2}, r"meta\.sync\.max_change_share: .*less than or equal to 1"),
        ({"channel": "pigeon"}, r"meta\.sync\.channel: .*'email', 'sms', 'phone' or 'web'"),
        ({"options": {"fromat": "csv"}}, r"meta\.sync\.options\.fromat is not allowed \(did you mean format\?\)"),
        ({"options": {"format": "xls"}}, r"meta\.sync\.options\.format: .*'csv', 'jsonl' or 'parquet'"),
        ({"mode": "mirror", "removal": "keep"}, r"meta\.sync\.removal: mode 'mirror' removes"),
        ({"on_null": "drop"}, r"meta\.sync\.on_null: .*'clear' or 'leave'"),
        ({"removal": "delete"}, r"meta\.sync\.removal: .*'keep' or 'remove'"),
        ({"resync": True}, r"meta\.sync\.resync is not allowed; allowed are"),
        ({"name": "x"}, r"meta\.sync\.name is not allowed"),
    ],
)
def test_a_wrong_block_names_the_file_the_key_and_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    block = {key: value for key, value in {**BLOCK, **changes}.items() if value is not None}
    with pytest.raises(ConfigurationError, match=r"^models/activation/sync_file__people\.sql: " + message):
        load_syncs(manifest("sync_file__people", block))


@pytest.mark.parametrize(("tool", "channel"), [("twilio", "sms"), ("smtp", "email")])
def test_a_tool_that_sends_messages_needs_a_channel(tool: str, channel: str) -> None:
    for wrong in ({}, {"channel": "web"}):
        block = {**BLOCK, "destination": tool, "object": "messages", "mode": "create", **wrong}
        with pytest.raises(ConfigurationError, match=rf"meta\.sync\.channel: {tool} needs .*; allowed are {channel}"):
            load_syncs(manifest(f"sync_{tool}__messages", block))


def test_what_a_tool_cannot_do_is_known_when_the_manifest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def objection(object: str, key: str, mode: str, channel: str | None, options: object) -> str | None:
        return f"object: there are no {object}; allowed are contacts" if object != "contacts" else None

    monkeypatch.setattr("reverse_etl.destinations.file.FileDestination.objection", objection)
    with pytest.raises(ConfigurationError, match=r"people\.sql: meta\.sync: object: there are no people; allowed are"):
        load_syncs(manifest("sync_file__people", BLOCK))
    assert load_syncs(manifest("sync_file__people", {**BLOCK, "object": "contacts"}))


def test_the_name_of_a_sync_tells_its_destination() -> None:
    with pytest.raises(ConfigurationError, match="is named sync_file__<object>"):
        load_syncs(manifest("sync_vtiger__people", BLOCK))


def test_a_sync_model_without_a_block_is_an_error() -> None:
    content = manifest("sync_file__people", BLOCK)
    content["nodes"]["model.kinship.sync_file__people"]["config"]["meta"] = {}
    with pytest.raises(ConfigurationError, match=r"needs a block `sync`.*destination, object, key, purpose, owner"):
        load_syncs(content)


def test_columns_the_block_names_must_be_there(house: House) -> None:
    house.want([{"customer_id": "c1", "mail": "p1@example.com"}])
    with pytest.raises(
        ConfigurationError, match=r"meta\.sync\.key names the column 'email'.* it has customer_id, mail"
    ):
        run(house)
    house.want([{"email": "p1@example.com"}])
    with pytest.raises(ConfigurationError, match="the model needs the column 'customer_id'"):
        run(house)
    house.want(people(1))
    house.reload(priority="_value")
    with pytest.raises(ConfigurationError, match=r"meta\.sync\.priority names the column '_value'"):
        run(house)


def test_a_missing_manifest_warehouse_or_model_says_what_to_do(tmp_path: Path, house: House) -> None:
    with pytest.raises(ConfigurationError, match="run `dbt parse`"):
        load_syncs(tmp_path / "target" / "manifest.json")
    with pytest.raises(ConfigurationError, match="dbt build -s sync_file__people"):
        run(house)
    house.settings.warehouse.unlink()
    with pytest.raises(ConfigurationError, match="`kinship run` builds the warehouse"):
        run(house)
