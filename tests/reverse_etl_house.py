"""A small warehouse with one sync model and consents, and dbt's manifest for it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kinship.settings import Settings
from reverse_etl import RunResult, Sync, load_syncs, run_sync
from reverse_etl.delivery import Patience

HASTE = Patience(attempts=4, first_wait=0.001, longest_wait=0.002, rate_limit_wait=0.001)

CONSENTS = """
create schema if not exists customers; create schema if not exists activation;
create or replace table customers.customer_consents (
    customer_id text, purpose text, channel text, status text, legal_basis text, captured_at timestamp, source text
);
"""


def manifest(name: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """What dbt writes, as far as syncs are concerned."""
    return {
        "nodes": {
            f"model.kinship.{name}": {
                "resource_type": "model",
                "name": name,
                "schema": "activation",
                "alias": name,
                "original_file_path": f"models/activation/{name}.sql",
                "config": {"meta": {"sync": dict(block)}},
            }
        }
    }


def _settings(folder: Path) -> Settings:
    return Settings(warehouse=folder / "warehouse.duckdb", sources=folder / "sources", target="duckdb")


class House:
    """The warehouse under `folder` and its sync `name`; rows are dictionaries of text."""

    def __init__(self, folder: Path, name: str = "sync_file__people", **block: Any) -> None:
        self.settings = _settings(folder)
        destination = name.split("__")[0].removeprefix("sync_")
        defaults = {
            "destination": destination,
            "object": "people",
            "key": "email",
            "purpose": "marketing",
            "owner": "a@example.com",
        }
        self.block = {**defaults, **block}
        self.name = name
        self.sync = self.reload()
        self.consent([])

    def reload(self, **changes: Any) -> Sync:
        """The sync with its block changed."""
        self.block.update(changes)
        (self.sync,) = load_syncs(manifest(self.name, self.block))
        return self.sync

    def keep(self) -> None:
        """Write the block beside the warehouse, for `existing` in another process."""
        (self.settings.state / "block.json").write_text(json.dumps([self.name, self.block]))

    @classmethod
    def existing(cls, folder: Path) -> "House":
        """The house that was kept in `folder`, untouched."""
        name, block = json.loads((folder / "block.json").read_text())
        house = cls.__new__(cls)
        house.name, house.block, house.settings = name, block, _settings(folder)
        house.reload()
        return house

    def want(self, rows: Iterable[Mapping[str, Any]], types: Mapping[str, str] | None = None) -> None:
        """Replace the rows of the sync model."""
        rows = list(rows)
        names = list(types or (rows[0] if rows else {"customer_id": "", "email": "", "firstname": ""}))
        columns = ", ".join(f'"{name}" {(types or {}).get(name, "text")}' for name in names)
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute(
                f"create schema if not exists activation; create or replace table activation.{self.name} ({columns})"
            )
            if rows:
                values = ", ".join(f"({', '.join('?' * len(names))})" for _ in rows)
                connection.execute(
                    f"insert into activation.{self.name} values {values}", [row[name] for row in rows for name in names]
                )

    def want_lists(self, name: str, column: str, lists: Mapping[int, list[str]]) -> None:
        """Replace the rows of the sync model: people by number, each with a name and a list of names."""
        rows = [
            {"customer_id": f"c{n}", "email": f"p{n}@example.com", name: f"N{n}", column: names}
            for n, names in lists.items()
        ]
        self.want(rows, {"customer_id": "text", "email": "text", name: "text", column: "text[]"})

    def no_wait(self) -> None:
        """Let the waits of refused rows pass."""
        with duckdb.connect(str(self.settings.ledger / f"{self.name}.duckdb")) as connection:
            connection.execute("update rejected set next_attempt_at = rejected_at")

    def consent(self, statements: Iterable[tuple[str | None, str | None]], channel: str = "email") -> None:
        """Replace the consents: (customer_id, status) for the purpose of marketing."""
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute(CONSENTS)
            rows = [(customer, "marketing", channel, status) for customer, status in statements]
            if rows:
                connection.execute(
                    "insert into customers.customer_consents (customer_id, purpose, channel, status)"
                    f" values {', '.join(['(?, ?, ?, ?)'] * len(rows))}",
                    [value for row in rows for value in row],
                )

    def redirect(self, people: Mapping[str, str]) -> None:
        """Replace the redirects: whom an id that was issued once stands for today."""
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute(
                """create schema if not exists identity;
                create or replace table identity.identity_redirects (customer_id text, current_customer_id text)"""
            )
            for old, new in people.items():
                connection.execute("insert into identity.identity_redirects values (?, ?)", [old, new])

    def identify(self, values: Iterable[tuple[str, str, str]]) -> None:
        """Replace the identifiers: (customer_id, type, value)."""
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute(
                """create or replace table customers.customer_identifiers (
                    customer_id text, identifier_type text, identifier_value text, is_quarantined boolean
                )"""
            )
            for row in values:
                connection.execute("insert into customers.customer_identifiers values (?, ?, ?, false)", list(row))

    def suppress(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Replace the suppression list: (type, sha256, action)."""
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute(
                """create schema if not exists seeds;
                create or replace table seeds.suppressions (
                    type text, sha256 text, action text, reason text, since_date date
                )"""
            )
            for row in rows:
                connection.execute("insert into seeds.suppressions (type, sha256, action) values (?, ?, ?)", list(row))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def query_ledger(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.ledger / f"{self.name}.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def use(monkeypatch: pytest.MonkeyPatch, tool: Any) -> None:
    """The tool's address and credentials, as its destination reads them."""
    for name, value in tool.environment.items():
        monkeypatch.setenv(name, value)


def run(house: House) -> RunResult:
    """A run that waits as good as not at all."""
    return run_sync(house.sync, house.settings, patience=HASTE)


def people(*numbers: int, firstname: str = "Ana") -> list[dict[str, Any]]:
    """Rows of a sync model: person n has the customer_id `c<n>` and an e-mail."""
    return [{"customer_id": f"c{n}", "email": f"p{n}@example.com", "firstname": f"{firstname}{n}"} for n in numbers]
