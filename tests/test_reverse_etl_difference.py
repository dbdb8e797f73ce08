"""The difference against an oracle in Python: every mixture of wanted, accepted, claimed, refused, consent, lists and
merged people. The oracle looks at one key after another, as a person would."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reverse_etl_house import House

from reverse_etl.difference import compute
from reverse_etl.ledger import utcnow
from reverse_etl.ledger_file import open_ledger
from reverse_etl.warehouse import attached

PEOPLE = ["ann", "bob", "cem", "dia"]
KEYS = ["k0@x.example", "k1@x.example", "k2@x.example", "k3@x.example", "k4@x.example"]
NOW = utcnow()


@dataclass
class World:
    """What the warehouse and the ledger hold."""

    mode: str
    removal: str
    rows: list[tuple[str | None, str | None, str]]
    """customer, key, value."""
    consents: dict[str, str]
    redirects: dict[str, str]
    accepted: dict[str, tuple[str, str, str | None, bool]]
    """key -> customer, value, destination id, created by us."""
    claims: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """key -> operation, value, customer."""
    refused: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    """key -> operation, value, is it waiting."""
    suppressed: dict[str, str] = field(default_factory=dict)
    """key -> action."""
    opted_out: set[str] = field(default_factory=set)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def payload_hash(key: str, value: str) -> str:
    return hashlib.md5(f'{{"email":"{key}","value":"{value}"}}'.encode(), usedforsecurity=False).hexdigest()


def verdict(world: World, key: str, customer: str | None) -> str:
    if key in world.suppressed:
        return "suppressed"
    status = world.consents.get(customer or "", "no_consent")
    if status != "granted":
        return status
    return "opted_out" if key in world.opted_out else "granted"


def expected(world: World) -> tuple[dict[str, tuple[str, str | None]], Counter[str], int]:
    """Due: key -> operation and reason; withheld by reason; unchanged."""
    due: dict[str, tuple[str, str | None]] = {}
    withheld: Counter[str] = Counter()
    unchanged = 0
    rows: dict[str, list[tuple[str | None, str]]] = {}
    for customer, key, value in world.rows:
        if key is None:
            withheld["null_key"] += 1
            continue
        rows.setdefault(key, []).append((customer, value))
        if (reason := verdict(world, key, customer)) != "granted":
            withheld[reason] += 1
    mirror = world.mode == "mirror" or world.removal == "remove"
    fate: dict[str, str] = {}
    for key in sorted({*rows, *world.accepted, *world.claims}):
        copies = rows.get(key, [])
        allowed = [row for row in copies if verdict(world, key, row[0]) == "granted"]
        if len(copies) > 1:
            withheld["duplicate_key"] += len(allowed)
        is_accepted, is_claimed = key in world.accepted, key in world.claims
        sent_for = world.accepted[key][0] if is_accepted else world.claims[key][2] if is_claimed else None
        holder = world.redirects.get(sent_for, sent_for) if sent_for else None
        wanted = allowed[0][1] if len(copies) == 1 and allowed else None
        said = verdict(world, key, copies[0][0] if len(copies) == 1 else holder)
        is_known = is_accepted or is_claimed
        if is_known and world.suppressed.get(key) == "erase":
            due[key] = ("erase", "erased")
        elif wanted is not None:
            if not is_accepted:
                due[key] = ("add", None)
            elif (is_claimed or world.accepted[key][1] != wanted) and (world.mode != "create" or is_claimed):
                due[key] = ("change", None)
            else:
                unchanged += 1
        elif not is_known:
            continue
        elif said != "granted":
            due[key] = ("remove", said)
        elif len(copies) > 1:
            continue
        elif not is_accepted or mirror:
            due[key] = ("remove", "left")
        else:
            fate[key] = "kept"
    _follow(world, rows, due, fate)
    for key, (operation, value, waits) in world.refused.items():
        if key not in due or not waits:
            continue
        now = due[key][0]
        leaves = now in ("erase", "remove")
        if operation == now if leaves else operation in ("add", "change") and rows[key][0][1] == value:
            withheld["backoff"] += 1
            del due[key]
    return due, Counter({reason: count for reason, count in withheld.items() if count}), unchanged


def _follow(
    world: World,
    rows: dict[str, list[tuple[str | None, str]]],
    due: dict[str, tuple[str, str | None]],
    fate: dict[str, str],
) -> None:
    """Keys of one person: moved, or merged."""
    people = Counter(customer for customer, key, _ in world.rows if key is not None and customer is not None)
    if any(count > 1 for count in people.values()):
        return
    leaving: dict[str, list[str]] = {}
    for key, (customer, *_) in world.accepted.items():
        holder = world.redirects.get(customer, customer)
        gone = key not in rows and (fate.get(key) == "kept" or due.get(key) == ("remove", "left"))
        if gone and verdict(world, key, holder) == "granted":
            leaving.setdefault(holder, []).append(key)
    for person, keys in leaving.items():
        retired = {key for key in keys if world.accepted[key][0] != person}
        arriving = [key for key, (operation, _) in due.items() if operation == "add" and rows[key][0][0] == person]
        staying = [
            key
            for key, copies in rows.items()
            if len(copies) == 1 and copies[0][0] == person and key in world.accepted
            and verdict(world, key, person) == "granted" and due.get(key, ("", None))[0] not in ("erase", "remove")
        ]  # fmt: skip
        mover = None
        if len(arriving) == 1 and len(keys) - len(retired) <= 1:
            mover = min(keys, key=lambda key: (key in retired, key))
            if world.accepted[mover][2] is not None:
                due[arriving[0]] = ("change", None)
                due.pop(mover, None)
            else:
                due[mover] = ("remove", "moved")
        others = [key for key in keys if key not in retired and key != mover and fate.get(key) == "kept"]
        survivors = staying + ([mover] if mover else []) or others
        if len(survivors) == 1:
            for key in retired - {mover}:
                if world.accepted[key][3] or key in due:
                    due[key] = ("remove", "merged")


people = st.sampled_from(PEOPLE)
keys = st.sampled_from(KEYS)
values = st.sampled_from("ab")
statuses = st.sampled_from(["granted", "granted", "granted", "granted", "withdrawn", "denied", "unknown"])
worlds = st.builds(
    World,
    mode=st.sampled_from(["upsert", "mirror", "create"]),
    removal=st.sampled_from(["keep", "remove"]),
    rows=st.lists(st.tuples(st.one_of(people, people, st.none()), st.one_of(keys, keys, keys, st.none()), values),
                  max_size=5),
    consents=st.dictionaries(people, statuses, min_size=2),
    redirects=st.dictionaries(st.sampled_from(["cem", "dia"]), st.sampled_from(["ann", "bob"])),
    accepted=st.dictionaries(
        keys, st.tuples(people, values, st.one_of(st.none(), st.just("id")), st.booleans()), max_size=4
    ),
    claims=st.dictionaries(keys, st.tuples(st.sampled_from(["add", "change", "remove"]), values, people), max_size=1),
    refused=st.dictionaries(
        keys, st.tuples(st.sampled_from(["add", "change", "remove"]), values, st.booleans()), max_size=2
    ),
    suppressed=st.dictionaries(keys, st.sampled_from(["suppress", "erase"]), max_size=1),
    opted_out=st.sets(keys, max_size=1),
)  # fmt: skip


class Bench:
    """One house for all examples: to make its files anew for each would take most of the time."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.house.redirect({})
        self.house.suppress([])

    def found(self, world: World) -> tuple[dict[str, tuple[str, str | None]], Counter[str], int]:
        house = self.house
        sync = house.reload(mode=world.mode, removal=None if world.mode == "mirror" else world.removal)
        warehouse: dict[str, list[tuple[Any, ...]]] = {
            f"activation.{house.name}": list(world.rows),
            "customers.customer_consents": [
                (person, "marketing", "email", status, None, None, None) for person, status in world.consents.items()
            ],
            "identity.identity_redirects": list(world.redirects.items()),
            "seeds.suppressions": [
                ("email", digest(key), action, None, None) for key, action in world.suppressed.items()
            ],
        }
        hour = timedelta(hours=1)
        ledger: dict[str, list[tuple[Any, ...]]] = {
            "accepted": [
                (key, payload_hash(key, value), record, customer, ours, NOW)
                for key, (customer, value, record, ours) in world.accepted.items()
            ],
            "claims": [
                (key, payload_hash(key, value), operation, None, customer, True, "b", 1, NOW, None)
                for key, (operation, value, customer) in world.claims.items()
            ],
            "rejected": [
                (key, payload_hash(key, value), operation, "bad", 1, NOW + hour * (1 if waits else -1), NOW - 2 * hour)
                for key, (operation, value, waits) in world.refused.items()
            ],
        }
        with duckdb.connect(str(house.settings.warehouse)) as connection:
            connection.execute(
                f"create or replace table activation.{house.name} (customer_id text, email text, value text)"
            )
            _replace(connection, warehouse)
        # a ledger that is not there yet is one in memory
        with (
            open_ledger(house.settings.ledger / "none.duckdb", write=False) as connection,
            attached(connection, house.settings.warehouse, write=False) as catalog,
        ):
            _replace(connection, ledger)
            for key in world.opted_out:
                connection.execute(
                    """insert into opt_outs by name
                    select ? as key, 'any' as channel, now()::timestamp as opted_out_at, now()::timestamp as seen_at,
                        'poll' as source, false as told""",
                    [key],
                )
            difference = compute(connection, sync, catalog, NOW)
            due = connection.execute("select key, operation, reason from due").fetchall()
        assert sum(difference.due.values()) == len(due)
        return (
            {key: (operation, reason) for key, operation, reason in due},
            Counter(difference.withheld),
            difference.unchanged,
        )


def _replace(connection: duckdb.DuckDBPyConnection, tables: dict[str, list[tuple[Any, ...]]]) -> None:
    for table, rows in tables.items():
        connection.execute(f"delete from {table}")
        if rows:
            values = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
            connection.execute(f"insert into {table} values {values}", [value for row in rows for value in row])


def test_the_difference_is_what_an_oracle_says(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    @settings(
        max_examples=int(os.environ.get("KINSHIP_TEST_EXAMPLES", "60")),
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(worlds)
    def check(world: World) -> None:
        assert bench.found(world) == expected(world)

    check()
