"""Changes from PostgreSQL's log: inserts, updates and deletions of every run, whatever was killed in between."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_house import TABLE, holds, insert, stands
from extract_house import House, house, loads
from servers import postgres

from orchestration.extract import ExtractError, extract

new_house = pytest.fixture(house, name="house")


@pytest.fixture
def server(house: House) -> Iterator[postgres.Database]:
    # the key is of two columns in one of the tables, and its order is not that of the table
    tickets = (
        "create table tickets (note text, flag boolean, id bigint, updated_at timestamptz, primary key (id, flag))"
    )
    with postgres.database(TABLE.format(stamp="timestamptz"), tickets) as server:
        os.environ["KINSHIP_ZENDESK_URL"] = server.url
        os.environ["KINSHIP_ZENDESK_CDC"] = "1"
        yield server
        server.query(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
        )


def test_what_was_committed_arrives(server: postgres.Database) -> None:
    insert(server, range(5))
    assert extract("zendesk").rows["users"] == 5
    before = loads("zendesk")
    result = extract("zendesk")
    assert loads("zendesk") == before and result.fetched is not None
    server.query("update users set name = 'silently' where id = 1")
    server.query("update users set id = 20 where id = 2")
    server.query("delete from users where id in (3, 4)")
    server.query("insert into users values (4, 'again', '2027-01-01'), (6, 'new', '2020-01-01')")
    assert extract("zendesk").rows["users"] == 6, "a change, a moved key, a deletion, a return, a new row"
    assert stands() == holds(server)
    server.query("begin; insert into users values (30, 'x', now()); rollback")
    assert extract("zendesk").load_ids == []


def test_a_key_of_two_columns_and_an_emptied_table(server: postgres.Database) -> None:
    server.query("insert into tickets values ('a', true, 1, '2026-01-01'), ('b', false, 1, '2026-01-01')")
    insert(server, range(200))
    extract("zendesk")
    server.query("delete from tickets where flag")
    server.query("truncate users")
    insert(server, [500])
    result = extract("zendesk")
    assert result.rows["tickets"] == 1 and result.rows["users"] == 201
    assert stands() == holds(server)


def test_the_slot_moves_on_and_lets_the_log_go(server: postgres.Database) -> None:
    insert(server, [1])
    extract("zendesk")
    slot = "pg_replication_slots where slot_name = 'kinship_zendesk'"
    lag = f"select pg_current_wal_lsn() - confirmed_flush_lsn from {slot}"
    server.query("create table other (id int)")
    server.query("insert into other select generate_series(1, 10000)")
    [(before,)] = server.query(lag)
    extract("zendesk")
    [(after,)] = server.query(lag)
    assert before > 500_000 and after < 100_000, "what others wrote is no reason to keep the log"


@pytest.mark.parametrize("how", ["dropped", "moved"])
def test_a_slot_that_is_not_where_it_was_left(server: postgres.Database, how: str) -> None:
    insert(server, range(5))
    extract("zendesk")
    server.query("delete from users where id = 3")
    insert(server, [9])
    if how == "dropped":
        server.query("select pg_drop_replication_slot('kinship_zendesk')")
    else:
        server.query("select pg_replication_slot_advance('kinship_zendesk', pg_current_wal_lsn())")
    extract("zendesk")
    assert stands() == holds(server)


def test_a_comparison_that_is_doubted_is_made_up_for(
    server: postgres.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other changes move the slot on meanwhile."""
    insert(server, range(300))
    extract("zendesk")
    server.query("delete from users where id > 50")
    server.query("select pg_replication_slot_advance('kinship_zendesk', pg_current_wal_lsn())")
    insert(server, [500])
    result = extract("zendesk")
    assert result.fetched is not None and "249 of 300 rows are gone" in result.fetched.failures["users"]
    assert len(stands()) == 301
    monkeypatch.setenv("KINSHIP_ACCEPT_CHANGE", "1")
    extract("zendesk")
    assert stands() == holds(server)


def test_a_table_that_comes_later(server: postgres.Database) -> None:
    insert(server, [1])
    extract("zendesk")
    server.query("create table comments (id int primary key, created_at timestamptz)")
    server.query("insert into comments values (1, now())")
    assert extract("zendesk").rows["comments"] == 1
    server.query("insert into comments values (2, now())")
    assert extract("zendesk").rows["comments"] == 1


def test_a_server_without_a_logical_log(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_ZENDESK_CDC", "1")
    with postgres.database(TABLE.format(stamp="timestamptz"), wal_level="replica") as server:
        monkeypatch.setenv("KINSHIP_ZENDESK_URL", server.url)
        with pytest.raises(ExtractError, match="wal_level = logical"):
            extract("zendesk")
