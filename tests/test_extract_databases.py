"""PostgreSQL and MariaDB as sources: afterwards the raw tables hold what the database holds, row for row."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from database_house import SERVERS, STAMP, TABLE, Database, compare_always, holds, insert, stands
from extract_house import House, house, jump, loads, query
from servers import mariadb, postgres
from servers.cutter import Cutter

from orchestration.extract import ExtractError, extract
from orchestration.extract.columns import column_name

new_house = pytest.fixture(house, name="house")


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest, house: House) -> Iterator[Database]:
    with SERVERS[request.param](TABLE.format(stamp=STAMP[request.param])) as server:
        os.environ["KINSHIP_ZENDESK_URL"] = server.url
        yield server


def test_rows_arrive_change_and_go(server: Database) -> None:
    insert(server, range(5))
    assert extract("zendesk").rows["users"] == 5
    assert stands() == holds(server)
    server.query("update users set name = 'other', updated_at = '2026-01-02 10:00:00' where id = 3")
    insert(server, [7], "2026-01-01 09:55:00")  # committed late, by a clock that is behind
    result = extract("zendesk")
    assert result.rows["users"] == 2
    assert result.fetched is not None
    assert [str(moment)[:19] for moment in result.fetched.cursors["users"]] == [
        "2026-01-01 10:00:00", "2026-01-02 10:00:00",
    ]  # fmt: skip
    server.query("delete from users where id in (1, 3)")
    assert extract("zendesk").rows["users"] == 0, "keys are compared once a day"
    compare_always()
    assert extract("zendesk").rows["users"] == 2
    assert stands() == holds(server)
    before = loads("zendesk")
    extract("zendesk")
    assert loads("zendesk") == before
    insert(server, [3], "2027-01-01 00:00:00", "again")
    extract("zendesk")
    assert stands() == holds(server)


def test_a_run_with_nothing_new_adds_nothing_and_asks_little(server: Database, tmp_path: Path) -> None:
    insert(server, range(50))
    first = extract("zendesk")
    files = query("select count(*) from raw_zendesk.extracted_files")
    again = extract("zendesk")
    assert again.load_ids == [] and again.rows["users"] == 0
    assert query("select count(*) from raw_zendesk.extracted_files") == files
    assert first.fetched and again.fetched and again.fetched.calls <= first.fetched.calls
    assert [path for path in (tmp_path / "arrivals").rglob("*.parquet")] == [], "what is loaded is kept once"


def test_ties_at_the_borders_of_pages(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.extract.silos.feed._FILE_ROWS", 3)
    monkeypatch.setattr("orchestration.extract.silos.database.CHUNK", 2)
    monkeypatch.setenv("KINSHIP_ZENDESK_OVERLAP", "0")
    insert(server, range(20))
    assert extract("zendesk").rows["users"] == 20
    insert(server, range(20, 31))
    assert extract("zendesk").rows["users"] == 11
    assert stands() == holds(server)


def test_a_time_in_the_future_hides_nothing(server: Database) -> None:
    insert(server, [1], "2035-01-01 00:00:00")
    extract("zendesk")
    insert(server, [2], "2026-11-30 00:00:00")
    server.query("update users set updated_at = current_timestamp where id = 2")
    extract("zendesk")
    assert stands() == holds(server)


def test_a_clock_of_ours_that_jumps(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours ahead or behind, it neither buries what lives nor lets live what is gone, and what came later is later."""
    compare_always()
    insert(server, range(5))
    extract("zendesk")
    for step, hours in enumerate((5, -5, 0, -30)):
        jump(monkeypatch, hours)
        server.query("update users set name = %s where id = 1", f"silently {step}")
        server.query("delete from users where id = 2")
        server.query("insert into users values (%s, 'n', current_timestamp(6))", 100 + step)
        server.query("delete from users where id = %s", 99 + step)
        extract("zendesk")
        assert stands() == holds(server)
        server.query("insert into users values (2, 'again', current_timestamp(6))")
        extract("zendesk")
        assert stands() == holds(server)


def test_a_clock_of_ours_that_was_ahead_puts_no_comparison_off(
    server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(server, range(5))
    jump(monkeypatch, 100)
    extract("zendesk")
    jump(monkeypatch, 0)
    server.query("delete from users where id = 2")
    extract("zendesk")
    assert stands() == holds(server)


def test_a_file_that_was_never_finished_goes(server: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    insert(server, range(5))
    extract("zendesk")
    insert(server, [5])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr("os.fsync", full)
        extract("zendesk")
    server.query("delete from users where id = 5")
    assert extract("zendesk").ignored == []
    assert stands() == holds(server)
    assert [path for path in (tmp_path / "arrivals").rglob("*") if path.is_file()] == []


def test_rows_without_a_time_of_change(server: Database, house: House) -> None:
    insert(server, range(3))
    server.query("update users set updated_at = null where id = 1")
    extract("zendesk")
    assert query("select reason from raw_zendesk.quarantine") == [("the required field updated_at is missing",)]
    server.query("insert into users values (9, 'x', null)")
    extract("zendesk")
    assert query("select count(*) from raw_zendesk.quarantine") == [(2,)]
    extract("zendesk")
    assert query("select count(*) from raw_zendesk.quarantine") == [(2,)]


def test_changes_that_the_cursor_does_not_tell(server: Database) -> None:
    insert(server, range(5))
    extract("zendesk")
    server.query("update users set name = 'silently' where id = 2")
    server.query("update users set updated_at = '2026-06-01' where id = 4")
    server.query("update users set name = 'long ago', updated_at = '2020-01-01' where id = 0")
    insert(server, [8], "2019-01-01")
    compare_always()
    extract("zendesk")
    known = dict(query("select name, updated_at from raw_zendesk.users"))
    assert {"silently", "long ago", "n8"} <= set(known)


def test_a_table_without_a_cursor_is_compared(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_ADS_URL", os.environ.pop("KINSHIP_ZENDESK_URL"))
    monkeypatch.setenv("KINSHIP_ADS_TABLES", "campaign_costs=spending")
    server.query(
        "create table spending (campaign varchar(20), date date, cost decimal(10, 2), primary key (date, campaign))"
    )
    server.query(
        "insert into spending values ('a', '2026-01-01', 1.50), ('b', '2026-01-01', 2), ('c\"d', '2026-01-02', 3)"
    )
    assert extract("ads").rows["campaign_costs"] == 3
    server.query("update spending set cost = 9 where campaign = 'c\"d'")
    server.query("delete from spending where campaign = 'b'")
    assert extract("ads").rows["campaign_costs"] == 2
    rows = query("select campaign, date, cost, _kinship_deleted_at is null from raw_ads.campaign_costs order by all")
    assert rows == [
        ("a", "2026-01-01", "1.50", True), ("b", "2026-01-01", "2.00", True), ("b", "2026-01-01", None, False),
        ('c"d', "2026-01-02", "3.00", True), ('c"d', "2026-01-02", "9.00", True),
    ]  # fmt: skip
    assert extract("ads").load_ids == []


def test_a_table_without_a_key_is_read_whole_when_it_differs(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_ERP_URL", os.environ.pop("KINSHIP_ZENDESK_URL"))
    server.query("create table invoice_lines (invoice_no varchar(20), invoice_ts timestamp, quantity int)")
    line = "('1', '2026-01-01 10:00:00', 1)"
    server.query(f"insert into invoice_lines values {line}, {line}, ('2', '2026-01-01 10:00:00', 1)")
    assert extract("erp").rows["invoice_lines"] == 3, "two equal lines are two"
    assert extract("erp").load_ids == []
    server.query("delete from invoice_lines where invoice_no = '2'")
    extract("erp")
    current = (
        "select invoice_no from raw_erp.invoice_lines inner join raw_erp.extracted_files as f on f.file_id = _file_id "
        "where is_current"
    )
    assert query(current) == [("1",), ("1",)]


def test_a_deleted_warehouse_is_filled_again(server: Database, tmp_path: Path) -> None:
    insert(server, range(5))
    extract("zendesk")
    (tmp_path / "warehouse.duckdb").unlink()
    shutil.rmtree(tmp_path / "dlt")
    result = extract("zendesk")
    assert "all is fetched again" in " ".join(result.notes)
    assert stands() == holds(server)


# PyMySQL's cursors complain when they are thrown away on a broken connection
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_connections_that_break(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(server, range(3000), name="x" * 60)
    with Cutter(server.port, share=0.5, most=200_000, seed=1) as cutter:
        monkeypatch.setenv("KINSHIP_ZENDESK_URL", server.url.replace(str(server.port), str(cutter.port)))
        for _ in range(20):
            try:
                extract("zendesk")
            except ExtractError as error:
                assert "no connection" in str(error)
            else:
                break
        cutter.share = 0
        extract("zendesk")
        assert cutter.cuts >= 1
    assert stands() == holds(server)


def test_much_of_a_table_gone_is_doubted(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(server, range(300))
    extract("zendesk")
    server.query("delete from users where id > 50")
    compare_always()
    with pytest.raises(ExtractError, match="249 of 300 rows are gone"):
        extract("zendesk")
    monkeypatch.setenv("KINSHIP_ACCEPT_CHANGE", "1")
    extract("zendesk")
    assert stands() == holds(server)


def test_one_table_that_fails_stops_no_other(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(server, range(3))
    monkeypatch.setenv("KINSHIP_ZENDESK_TABLES", "tickets=nowhere")
    result = extract("zendesk")
    assert result.rows["users"] == 3
    told = " ".join(result.notes)
    assert "table tickets: there is no table nowhere" in told and "comments, satisfaction_ratings" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda url: url.replace("-secret", "-wrong"), "refuses the login"),
        (lambda url: url.replace("@127.0.0.1", "@127.0.0.2"), "KINSHIP_ZENDESK_URL, and whether it is up"),
        (lambda url: url + "x", "no database of that name"),
        (lambda url: url.rpartition("/")[0], "must be postgresql://"),
    ],
)
def test_what_is_wrong_is_named(server: Database, change: Callable[[str], str], told: str) -> None:
    os.environ["KINSHIP_ZENDESK_URL"] = change(server.url)
    with pytest.raises(ExtractError) as problem:
        extract("zendesk")
    assert told in str(problem.value) and "secret" not in str(problem.value) and "wrong" not in str(problem.value)


def test_two_ways_at_once_are_refused(server: Database, tmp_path: Path) -> None:
    os.environ["KINSHIP_ZENDESK_PATH"] = str(tmp_path)
    with pytest.raises(ExtractError, match="KINSHIP_ZENDESK_PATH and by KINSHIP_ZENDESK_URL: unset one"):
        extract("zendesk")


def test_types_of_postgresql_are_as_the_database_shows_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    create = """
        create type mood as enum ('good');
        create table users (
            id uuid primary key, updated_at timestamptz, local timestamp, day date, price numeric,
            exact numeric(30, 10), lines text, fixed char(5),
            ratio double precision, small real, flag boolean, tags text[], grid int[][], extra jsonb, plain json,
            bytes bytea, address inet, span interval, feeling mood, empty text, nothing text,
            "Ünï %s cödé" text, clock time
        );
        insert into users values (
            '6f9619ff-8b86-d011-b42d-00c04fc964ff', '2026-01-02 03:04:05.678901+02', '2026-01-02 03:04:05',
            '2026-02-28', 12345678901234567890.12345, 1.5, E'1,"2"\n\r\n\\\\.\n3', 'ab', 0.1, 0.1, true,
            array['a,b', 'c"d', null], array[[1, 2], [3, 4]],
            '{"a": [1, null], "ü": 1.10}', '{ "b" : 1 }', '\\x00ff', '10.0.0.1', '1 day 2 hours', 'good', '', null, 'ß',
            '12:30'
        );
        insert into users (id, updated_at) values ('00000000-0000-0000-0000-000000000001', '2026-01-02');
    """
    with postgres.database() as server:
        for statement in create.split(";"):
            if statement.strip():
                server.query(statement)
        os.environ["KINSHIP_ZENDESK_URL"] = server.url
        extract("zendesk")
        names = (
            "id, updated_at, local, day, price, exact, lines, fixed, ratio, small, flag, tags, grid, extra, plain, "
            "bytes, address, span, feeling, empty, nothing, clock"
        )
        [row] = query(f"select {names} from raw_zendesk.users where flag is not null")
        assert row == (
            "6f9619ff-8b86-d011-b42d-00c04fc964ff", "2026-01-02 01:04:05.678901+00", "2026-01-02 03:04:05",
            "2026-02-28", "12345678901234567890.12345", "1.5000000000", '1,"2"\n\r\n\\.\n3', "ab", "0.1",
            "0.1", "true", '["a,b","c\\"d",null]', "[[1,2],[3,4]]",
            '{"a": [1, null], "ü": 1.10}', '{ "b" : 1 }', "00ff", "10.0.0.1/32", "P1DT2H", "good", "", None,
            "12:30:00",
        )  # fmt: skip
        assert json.loads(row[11]) == ["a,b", 'c"d', None]
        assert query(f'select "{column_name("Ünï %s cödé")}" from raw_zendesk.users where flag is not null') == [("ß",)]
        compare_always()
        assert extract("zendesk").load_ids == [], "the database's hashes and ours agree"


def test_types_of_mariadb_are_as_the_database_shows_them(house: House) -> None:
    create = """create table users (
        id varchar(36) primary key, updated_at datetime(6), stamp timestamp(3) null, day date, price decimal(30, 10),
        ratio double, tiny tinyint(1), bits bit(10), bytes varbinary(10), blobby blob, extra json, kind enum('a', 'b'),
        picks set('x', 'y'), empty text, nothing text, clock time, name text
    ) character set utf8mb4"""
    with mariadb.database(create) as server:
        server.query(
            "insert into users values ('k', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05.678', '2026-02-28', "
            "1.5, 0.1, 1, b'101', x'00ff', x'01', '{\"a\": [1, null]}', 'b', 'x,y', '', null, '12:30:00', 'ß😀')"
        )
        os.environ["KINSHIP_ZENDESK_URL"] = server.url
        extract("zendesk")
        names = (
            "updated_at, day, price, ratio, tiny, bits, bytes, blobby, extra, kind, picks, empty, nothing, clock, name"
        )
        assert query(f"select {names} from raw_zendesk.users") == [(
            "2026-01-02 03:04:05.678901", "2026-02-28", "1.5000000000", "0.1", "1", "5", "00ff", "01",
            '{"a": [1, null]}', "b", "x,y", "", None, "12:30:00", "ß😀",
        )]  # fmt: skip
        compare_always()
        assert extract("zendesk").load_ids == [], "the database's hashes and ours agree"
