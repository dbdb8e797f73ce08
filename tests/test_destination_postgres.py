"""PostgreSQL beyond conformance: types, constraints, rights, what is ours to delete, and connections that break."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from reverse_etl_house import House, people
from servers.cutter import Cutter
from servers.postgres import Database, database

from reverse_etl import ConfigurationError, RunResult, check_destination, plan_sync, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Batch, Destination, Operation, Row, Target, destination_class
from reverse_etl.pace import Meter

HASTE = Patience(attempts=12, first_wait=0.001, longest_wait=0.005)
PEOPLE = "create table people (id serial, email text primary key, firstname text, tags text)"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    with database() as server:
        monkeypatch.setenv("KINSHIP_POSTGRES_URL", server.url)
        yield server


@pytest.fixture
def house(tmp_path: Path, server: Database) -> House:
    house = House(tmp_path, "sync_postgres__people", mode="mirror", max_change_share=1)
    house.consent([(f"c{n}", "granted") for n in range(1000)])
    return house


def run(house: House) -> RunResult:
    return run_sync(house.sync, house.settings, patience=HASTE)


def test_every_type_arrives_and_is_read_back_as_it_was_sent(
    house: House, server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = {
        "customer_id": "text", "email": "text", "day": "date", "at": "timestamp", "zoned": "timestamptz",
        "price": "decimal(38,9)", "ratio": "double", "small": "float", "is_vip": "boolean", "tags": "text[]",
        "labels": "text[]", "amounts": "decimal(10,2)[]", "spent": "struct(eur decimal(10,2), since date)",
        "uid": "uuid", "code": "blob", "visits": "bigint", "huge": "hugeint", "clock": "time",
    }  # fmt: skip
    server.query(
        """create table people (
            email text primary key, day date, at timestamp, zoned timestamptz, price numeric, ratio double precision,
            small real, is_vip boolean, tags text[], labels jsonb, amounts numeric(10,2)[], spent jsonb, uid uuid,
            code bytea, visits integer, huge numeric, clock time
        )"""
    )
    row: dict[str, Any] = {
        "customer_id": "c1", "email": "p1@example.com", "day": date(2026, 2, 28),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678), "zoned": "2026-01-02 03:04:05+02",
        "price": Decimal("12345678901234567890.120000000"), "ratio": 0.1, "small": 0.1, "is_vip": False,
        "tags": ["a,b", 'c"d', None, "{}", "NULL"], "labels": ["ü", "\\x", None], "amounts": [Decimal("1.10")],
        "spent": {"eur": Decimal("2.50"), "since": date(2026, 1, 1)}, "uid": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "code": b"\x00\xff", "visits": 7, "huge": 2**100, "clock": "12:30:00",
    }  # fmt: skip
    empty = {name: None for name in types} | {"customer_id": "c2", "email": "p2@example.com"}
    sent: list[dict[str, Any]] = []
    kind = destination_class("postgres")
    plain = kind.send
    monkeypatch.setattr(
        kind, "send", lambda self, batch: sent.extend(v for _, v in batch.records()) or plain(self, batch)
    )
    house.want([row, empty], types)
    assert run(house).refused == {}
    (stored,) = server.query(
        "select day, at, zoned, price, ratio, is_vip, tags, labels, amounts, spent, uid::text, code, huge from people"
        " where email = 'p1@example.com'"
    )
    assert stored == (
        date(2026, 2, 28), datetime(2026, 1, 2, 3, 4, 5, 678), datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC),
        Decimal("12345678901234567890.120000000"), 0.1, False, row["tags"], row["labels"], row["amounts"],
        {"eur": 2.5, "since": "2026-01-01"}, row["uid"].lower(), b"\x00\xff", Decimal(2**100),
    )  # fmt: skip
    target = Target(
        house.name, "people", "email", "mirror", "leave", tuple(sent[0]), _kinds(house), None,
        kind.options_model(), house.settings.state, Meter(),
    )  # fmt: skip

    async def read() -> dict[str, dict[str, Any]]:
        destination = kind(target)
        rows = [Row(f"p{n}@example.com", None, None, Operation.CHANGE) for n in (1, 2, 3)]
        found = {record.key: dict(record.fields) async for record in destination.read(rows)}
        await destination.close()
        return found

    found = asyncio.run(read())
    assert set(found) == {"p1@example.com", "p2@example.com"}
    for values in sent:
        told = found[values["email"]]
        assert set(values) - set(told) == {"spent"}
        assert told == {name: values[name] for name in told}


def _kinds(house: House) -> dict[str, str]:
    described = house.query(f"describe activation.{house.name}")
    return {name: kind for name, kind, *_ in described if name != "customer_id"}


def test_a_missing_table_is_said_with_what_would_make_it(house: House, server: Database) -> None:
    types = {"customer_id": "text", "email": "text", "Ä b": "decimal(10,2)", "tags": "text[]", "at": "timestamptz"}
    house.want([{"customer_id": "c1", "email": "a", "Ä b": Decimal("1.5"), "tags": ["x"], "at": None}], types)
    house.reload(object="crm.people")
    with pytest.raises(ConfigurationError, match=r"make it: create table") as told:
        run(house)
    server.query("create schema crm")
    server.query(str(told.value).split("make it: ")[1])
    assert run(house).added == 1
    assert server.query('select "Ä b", tags from crm.people') == [(Decimal("1.5"), ["x"])]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("create table people (email text primary key, nope text)", "has no column 'firstname'; it has email, nope"),
        ("create table people (email text primary key, firstname text generated always as ('x') stored)", "itself"),
        ("create table people (email text, firstname text)", 'alter table "people" add unique'),
        ("create table people (email text, firstname text, unique (email, firstname))", "unique"),
        ("create table people (email text unique deferrable, firstname text)", "deferrable"),
        (
            "create table people (email text, firstname text);"
            " create unique index on people (email) where firstname <> ''",
            "partial",
        ),
        ("create table people (email text unique, firstname text, need text not null)", "must have need"),
        ("create view people as select 'a' as email, 'b' as firstname", "unique"),
    ],
)
def test_a_table_that_does_not_fit_is_said_before_anything_is_written(
    house: House, server: Database, table: str, told: str
) -> None:
    for statement in table.split(";"):
        server.query(statement)
    house.want(people(1))
    with pytest.raises(ConfigurationError, match=told.replace("(", r"\(")):
        run(house)


def test_rights_that_are_missing_are_named(house: House, server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    server.query(PEOPLE)
    server.query("create role reader login password 'r'")
    server.query("grant select on people to reader")
    try:
        monkeypatch.setenv("KINSHIP_POSTGRES_URL", server.url.replace("kinship:pg-secret", "reader:r"))
        house.want(people(1))
        with pytest.raises(ConfigurationError, match="right to update, insert"):
            run(house)
    finally:
        server.query("drop owned by reader")
        server.query("drop role reader")


def test_what_is_wrong_with_the_address_is_said(
    house: House, server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, told in (
        (server.url + "nope", "no database of this name"),
        ("http://x", "no connection string"),
        (server.url.replace(str(server.port), "9"), "is KINSHIP_POSTGRES_URL right"),
    ):
        monkeypatch.setenv("KINSHIP_POSTGRES_URL", url)
        try:
            message = check_destination("postgres", house.sync).message
        except ConfigurationError as error:
            message = str(error)
        assert told in message and "pg-secret" not in message


def test_only_rows_that_the_sync_made_are_deleted(house: House, server: Database) -> None:
    server.query(PEOPLE)
    server.query("insert into people (email, firstname, tags) values ('p1@example.com', 'theirs', 't')")
    house.reload(options={"clear_fields": "firstname"})
    house.want(people(1, 2))
    run(house)
    house.want(people(3))
    result = run(house)
    assert result.removed == 2
    assert server.query("select email, firstname, tags from people order by email") == [
        ("p1@example.com", None, "t"), ("p3@example.com", "Ana3", None),
    ]  # fmt: skip


def test_nothing_is_emptied_unless_it_is_named(house: House, server: Database) -> None:
    server.query(PEOPLE)
    server.query("insert into people (email, firstname, tags) values ('p1@example.com', 'theirs', 't')")
    house.want(people(1))
    run(house)
    house.want([])
    assert run(house).removed == 1
    assert server.query("select firstname from people") == [("Ana1",)]


def test_erasure_deletes_whoever_made_the_row(house: House, server: Database) -> None:
    server.query(PEOPLE)
    server.query("insert into people (email) values ('a'), ('b')")

    async def erase(destination: Destination) -> list[str]:
        await destination.prepare()
        rows = [Row("a", None, None, Operation.ERASE, "a"), Row("z", None, None, Operation.ERASE)]
        keys = [outcome.key async for outcome in destination.erase(Batch("1", rows)) if outcome.status == "accepted"]
        await destination.close()
        return keys

    assert asyncio.run(erase(direct(house))) == ["a", "z"]
    assert server.query("select email from people") == [("b",)]


def direct(house: House, fields: tuple[str, ...] = ("email", "firstname")) -> Destination:
    kind = destination_class("postgres")
    kinds = dict.fromkeys(fields, "VARCHAR")
    target = Target(
        house.name, "people", "email", "mirror", "leave", fields, kinds, None, kind.options_model(),
        house.settings.state, Meter(),
    )  # fmt: skip
    return kind(target)


def test_a_changed_key_keeps_the_row(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.want(people(1, 2))
    run(house)
    before = dict(server.query("select firstname, id from people"))
    house.want([*people(1), {**people(2)[0], "email": "new@example.com"}])
    result = run(house)
    assert (result.changed, result.removed) == (1, 0)
    assert server.query("select email, id from people where firstname = 'Ana2'") == [
        ("new@example.com", before["Ana2"])
    ]


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("alter table people add check (firstname <> 'bad')", "check_violation"),
        ("alter table people add unique (firstname)", "unique_violation"),
        ("create table names (n text primary key); insert into names select 'Ana' || n from generate_series(0, 99) n;"
         " alter table people add foreign key (firstname) references names", "foreign_key_violation"),
        ("alter table people alter firstname type varchar(5)", None),
        ("alter table people alter firstname type int using 1", "invalid_text_representation"),
        ("create function no() returns trigger language plpgsql as $$ begin if new.firstname = 'bad' then"
         " raise exception 'never %', new.email~ end if~ return new~ end $$;"
         " create trigger t before insert on people for each row execute function no()", "raise_exception"),
    ],
)  # fmt: skip
def test_one_bad_row_is_found_among_many_and_nothing_of_it_is_told(
    house: House, server: Database, rule: str, refused: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.query(PEOPLE)
    for statement in rule.split(";"):
        server.query(statement.replace("~", ";"))
    numeric = "type int" in rule
    rows = (
        [{**row, "firstname": row["customer_id"][1:]} for row in people(*range(60))] if numeric else people(*range(60))
    )
    rows[17]["firstname"] = "Ana1" if refused == "unique_violation" else "bad" if refused else "Ana17Ana"
    house.want(rows)
    result = run(house)
    counts = {refused or "string_data_right_truncation": 1}
    assert (result.added, result.refused) == (59, counts)
    assert server.query("select count(*) from people") == [(59,)]
    told = caplog.text + json.dumps(result.as_json())
    assert "@example.com" not in told and "Ana17Ana" not in told


def test_a_nul_character_is_refused_alone(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.want([*people(1, 2), {**people(3)[0], "firstname": "a\0b"}])
    result = run(house)
    assert (result.added, sum(result.refused.values())) == (2, 1)


def test_null_leaves_or_clears_and_a_new_row_gets_the_default(house: House, server: Database) -> None:
    server.query("create table people (email text primary key, firstname text default 'nobody', n int default 7)")
    house.want([{**people(1)[0], "firstname": None}, *people(2)])
    run(house)
    house.want([{**row, "firstname": None} for row in people(1, 2)])
    run(house)
    assert server.query("select email, firstname, n from people order by 1") == [
        ("p1@example.com", "nobody", 7), ("p2@example.com", "Ana2", 7),
    ]  # fmt: skip
    house.reload(on_null="clear")
    house.want([{**row, "firstname": None} for row in people(3)])
    run(house)
    assert server.query("select firstname from people where email like 'p3%'") == [(None,)]


def test_create_leaves_alone_what_is_there_and_update_makes_nothing(house: House, server: Database) -> None:
    server.query(PEOPLE)
    server.query("insert into people (email, firstname) values ('p1@example.com', 'theirs')")
    house.reload(mode="create")
    house.want(people(1, 2))
    result = run(house)
    assert (result.added, result.refused) == (1, {"already_exists": 1})
    assert server.query("select firstname from people order by email") == [("theirs",), ("Ana2",)]
    house.reload(mode="update")
    house.want(people(1, 2, 3, firstname="Eva"))
    assert run(house).refused == {"not_found": 1}
    assert server.query("select firstname from people where email = 'p2@example.com'") == [("Eva2",)]


def test_a_row_deleted_over_there_is_made_again_when_it_changes(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.want(people(1, 2))
    run(house)
    server.query("delete from people where email = 'p1@example.com'")
    house.want(people(1, 2, firstname="Eva"))
    assert run(house).refused == {}
    assert server.query("select firstname from people order by email") == [("Eva1",), ("Eva2",)]


def test_keys_that_are_no_text_are_found_again(house: House, server: Database) -> None:
    server.query("create table people (number bigint primary key, firstname text)")
    house.reload(key="number")
    types = {"customer_id": "text", "number": "integer", "firstname": "text"}
    house.want([{"customer_id": f"c{n}", "number": n, "firstname": "a"} for n in range(3)], types)
    run(house)
    house.want([{"customer_id": f"c{n}", "number": n, "firstname": "b"} for n in range(2)], types)
    result = run(house)
    assert (result.changed, result.removed) == (2, 1)
    assert server.query("select * from people order by 1") == [(0, "b"), (1, "b")]


def test_a_key_is_stored_without_the_blanks_around_it(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.want([{**people(1)[0], "email": "  p1@example.com "}])
    run(house)
    house.want([{**people(1)[0], "email": "p1@example.com"}])
    run(house)
    assert server.query("select email from people") == [("p1@example.com",)]


def test_a_lock_that_does_not_end_leaves_the_run_incomplete(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.reload(options={"timeout_seconds": 0.2})
    house.want(people(1))
    with psycopg.connect(server.url) as other:
        other.execute("lock table people in share mode")
        result = run_sync(house.sync, house.settings, patience=Patience(attempts=2, first_wait=0.01))
    assert (result.status, result.refused) == ("incomplete", {})
    assert run(house).added == 1


@pytest.mark.parametrize("seed", range(2))
def test_connections_that_break_lose_nobody_and_double_nobody(
    house: House, server: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    server.query("create table people (id serial, email text unique, firstname text)")
    house.reload(options={"batch_size": 10})
    with Cutter(server.port, share=0.9, most=6_000, seed=seed) as cutter:
        monkeypatch.setenv("KINSHIP_POSTGRES_URL", server.url.replace(str(server.port), str(cutter.port)))
        for step in range(3):
            rows = people(*range(step * 10, step * 10 + 40), firstname=f"v{step}")
            house.want(rows)
            for _ in range(20):
                if run(house).status == "done":
                    break
        cutter.share = 0
        run(house)
        assert cutter.cuts > 3
    wanted = sorted((row["email"], row["firstname"]) for row in rows)
    assert sorted(server.query("select email, firstname from people")) == wanted
    assert run(house).calls == 0


def test_a_backend_that_is_killed_in_the_middle_is_replaced(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.reload(options={"batch_size": 50})
    house.want(people(*range(300)))
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.1):
            server.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'kinship'")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for _ in range(20):
            if run(house).status == "done":
                break
    finally:
        stop.set()
        killer.join()
    run(house)
    assert server.query("select count(*), count(distinct email) from people") == [(300, 300)]


def test_the_plan_counts_the_calls_that_are_made(house: House, server: Database) -> None:
    server.query(PEOPLE)
    house.reload(options={"batch_size": 10})
    house.want(people(*range(25)))
    plan = plan_sync(house.sync, house.settings)
    assert plan.calls == run(house).calls == 7
