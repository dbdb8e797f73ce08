"""Unsubscribes that a destination told come home as consents: once, whoever tells them, and for the right person."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from reverse_etl_house import House

from reverse_etl.consent_events import tell
from reverse_etl.errors import ConfigurationError
from reverse_etl.ledger import open_ledger
from reverse_etl.status import sync_status


def opt_out(house: House, key: str, customer: str | None, channel: str = "email") -> None:
    with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as ledger:
        ledger.execute(
            "insert into opt_outs by name select $1 as key, $2 as customer_id, $3 as channel,"
            " timestamp '2026-01-02 03:04:05' as opted_out_at, timestamp '2026-01-03 00:00:00' as seen_at,"
            " 'poll' as source, false as told",
            [key, customer, channel],
        )


def told(house: House) -> list[dict[str, Any]]:
    folder = house.settings.source_path("destinations")
    return [
        json.loads(line) for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text("utf-8").splitlines()
    ]


def run(house: House) -> int:
    with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as ledger:
        return tell(ledger, house.sync, house.settings, patience=0)


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    with duckdb.connect(str(house.settings.warehouse)) as warehouse:
        warehouse.execute(
            """create schema identity;
            create table identity.identity_redirects (customer_id text, current_customer_id text);
            insert into identity.identity_redirects values ('c1', 'c1'), ('old', 'c1'), ('c2', 'c2');
            create table customers.customer_identifiers (
                customer_id text, identifier_type text, identifier_value text, is_quarantined boolean,
                last_seen_at timestamp
            );
            insert into customers.customer_identifiers values
                ('c1', 'anonymous_id', 'a-1', false, '2026-01-01'), ('c1', 'phone', '+35988', false, '2026-01-01'),
                ('c1', 'shopify_customer_id', '77', false, '2026-01-01'),
                ('c2', 'email', 'office@example.com', true, '2026-01-01'),
                ('c2', 'phone', '+359888000111', false, '2026-01-01')"""
        )
    return house


def test_an_address_is_told_as_it_is(house: House) -> None:
    opt_out(house, "o'brien@example.com", None)
    opt_out(house, "+359888123456", "c9", "sms")
    assert run(house) == 2
    statements = {one["identifier"]: one for one in told(house)}
    assert statements["o'brien@example.com"] == {
        "id": statements["o'brien@example.com"]["id"],
        "destination": "file",
        "sync": house.name,
        "identifier_type": "email",
        "identifier": "o'brien@example.com",
        "purpose": "marketing",
        "channel": "email",
        "status": "withdrawn",
        "opted_out_at": "2026-01-02T03:04:05Z",
        "seen_at": "2026-01-03T00:00:00Z",
    }
    assert statements["+359888123456"]["identifier_type"] == "phone"
    assert run(house) == 0, "told once"
    assert len(told(house)) == 2


def test_a_key_that_says_nothing_goes_by_one_identifier_of_the_person_as_of_today(house: House) -> None:
    opt_out(house, "9f86d081884c7d65", "old")
    opt_out(house, "60303ae22b998861", "c2")
    opt_out(house, "fd61a03af4f77d87", None)
    assert run(house) == 2
    assert {(one["identifier_type"], one["identifier"]) for one in told(house)} == {
        ("shopify_customer_id", "77"),
        ("phone", "+359888000111"),
    }, "no shared mailbox, no browser, and nobody whom we do not know"
    state = sync_status(house.sync, house.settings)
    assert (state.opt_outs, state.untold_opt_outs) == (3, 0)


def test_an_opt_out_of_no_channel_counts_for_all(house: House) -> None:
    opt_out(house, "p1@example.com", "c1", "any")
    run(house)
    assert {one["channel"] for one in told(house)} == {"email", "sms", "phone", "web"}
    assert len({one["id"] for one in told(house)}) == 4


def test_killed_before_the_ledger_knows_the_same_file_is_written_again(house: House) -> None:
    opt_out(house, "p1@example.com", "c1")
    run(house)
    files = {path.name: path.read_bytes() for path in house.settings.source_path("destinations").rglob("*.jsonl")}
    with open_ledger(house.settings.ledger / f"{house.name}.duckdb", write=True) as ledger:
        ledger.execute("update opt_outs set told = false")
    run(house)
    assert files == {
        path.name: path.read_bytes() for path in house.settings.source_path("destinations").rglob("*.jsonl")
    }


def test_while_the_warehouse_is_in_use_a_hash_waits_and_an_address_does_not(house: House) -> None:
    opt_out(house, "9f86d081884c7d65", "c1")
    opt_out(house, "p1@example.com", "c1")
    with duckdb.connect(str(house.settings.warehouse)):
        assert run(house) == 1
        assert sync_status(house.sync, house.settings).untold_opt_outs == 1
    assert run(house) == 1


def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_lost(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("KINSHIP_DESTINATIONS_PATH", str(tmp_path / "occupied"))
    opt_out(house, "p1@example.com", "c1")
    with pytest.raises(ConfigurationError, match="KINSHIP_DESTINATIONS_PATH") as error:
        run(house)
    assert "p1@" not in str(error.value)
    monkeypatch.delenv("KINSHIP_DESTINATIONS_PATH")
    assert run(house) == 1
