"""A run at work while others read: they see the old publication or the new one, and nothing personal gets past it."""

import gzip
import json
import secrets
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import KINSHIP, call, environment
from published_house import Readers, copy_house, held, opened, publish_uncompressed, shown

PATIENCE = 60.0
"""Seconds that no look may take: a run takes longer, and on a busy machine a look takes a few."""


class Marked:
    """A person like nobody else, and what the systems say of them on the day after the company's last."""

    def __init__(self) -> None:
        token = "".join(chr(ord("a") + secrets.randbelow(26)) for _ in range(10))
        number = f"{secrets.randbelow(10**7):07}"
        self.first, self.last = "Zyxmarker", f"Zyx{token}"
        self.email = f"zyxmarker.{token}@mail.example"
        self.other_email = f"zyxother.{token}@mail.example"
        self.phone, self.other_phone = f"+359887{number[:6]}", f"+359898{number[1:]}"
        self.street = f"Zyxstreet {token} 7"
        self.friend = f"Zyxfriend{token}"
        self.remark = f"Zyxremark{token}"
        self.property = f"Zyxproperty{token}"
        self.company = f"Zyxcompany{token}"
        self.path = f"zyxpath.{token}@mail.example"
        self.tag = f"zyxtag{token}"
        self.broken = f"Zyxbroken{token}"

    @property
    def in_tables(self) -> set[str]:
        """What output tables hold."""
        return {self.last, self.email, self.other_email, self.phone, self.street}

    @property
    def everything(self) -> set[str]:
        """What was planted."""
        return set(vars(self).values())

    def write(self, sources: Path) -> None:
        """Write the files of the day."""
        address = {"address1": self.street, "city": "Plovdiv", "zip": "4000", "country": "Bulgaria"}
        text = f"Write to {self.other_email} or call {self.other_phone}, ask for {self.friend}.\n{self.last}"
        day, at, space = "2026-07-01", "2026-07-01T08:00:00Z", "2026-07-01 08:00:00"
        subscribed = {"consent": "SUBSCRIBED", "timestamp": at}
        agreed = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": at}
        names = {"first_name": self.first, "last_name": self.last}
        put(
            sources / "shopify" / "customers" / f"{day}.jsonl.gz",
            names | {
                "id": 7999999999991, "email": self.email, "phone": self.phone, "created_at": at, "updated_at": at,
                "state": "enabled", "verified_email": True, "tags": f"newsletter, {self.tag}", "currency": "EUR",
                "default_address": address | names | {"province": None, "country_code": "BG", "phone": self.phone},
                "email_marketing_consent": agreed, "sms_marketing_consent": agreed,
                "Remarks Nobody Knows": {"of": self.remark, "call": self.other_phone},
            },
            {"id": "", "email": self.email, "note": self.broken},
            f"<html>{self.broken} 502</html>",
        )  # fmt: skip
        put(
            sources / "vtiger" / "contacts" / f"{day}.jsonl",
            {
                "id": "12x999991", "contact_no": "CON999991", "firstname": self.first, "lastname": self.last,
                "email": self.email, "secondaryemail": self.other_email, "phone": "", "mobile": self.phone,
                "account_id": "", "birthday": "1971-03-04", "mailingstreet": self.street, "mailingcity": "Plovdiv",
                "mailingzip": "4000", "mailingcountry": "Bulgaria", "leadsource": "Web Site", "emailoptout": "0",
                "donotcall": "0", "cf_loyalty_number": "", "cf_marketing_consent": "yes",
                "cf_consent_date": "2026-07-01", "assigned_user_id": "19x1", "createdtime": space,
                "modifiedtime": space, "cf_remark": self.remark,
            },
        )  # fmt: skip
        put(
            sources / "klaviyo" / "profiles" / f"{day}.jsonl",
            {
                "id": "01KZYXMARKER00000000000001", "type": "profile",
                "attributes": names | {
                    "email": self.email, "phone_number": self.phone, "external_id": "7999999999991",
                    "created": at, "updated": at, "location": address, "properties": {"note": self.property},
                    "subscriptions": {"email": {"marketing": subscribed}, "sms": {"marketing": subscribed}},
                },
            },
        )  # fmt: skip
        put(
            sources / "zendesk" / "users" / f"{day}.jsonl",
            {
                "id": 369999999991, "name": f"{self.first} {self.last}", "email": self.email, "phone": self.phone,
                "role": "end-user", "locale": "bg-BG", "time_zone": "Europe/Sofia", "external_id": None,
                "created_at": at, "updated_at": at, "organization": self.company,
            },
        )  # fmt: skip
        put(
            sources / "zendesk" / "tickets" / f"{day}.jsonl",
            {
                "id": 49999991, "subject": f"About {self.friend}", "description": text, "status": "open",
                "priority": "normal", "type": "question", "requester_id": 369999999991,
                "assignee_id": 900000000001, "tags": ["delivery", self.tag], "via": {"channel": "email"},
                "created_at": at, "updated_at": at,
            },
        )  # fmt: skip
        put(
            sources / "zendesk" / "comments" / f"{day}.jsonl",
            {
                "id": 4999999101, "ticket_id": 49999991, "author_id": 369999999991, "body": text, "public": True,
                "created_at": at,
            },
        )  # fmt: skip
        put(
            sources / "segment" / f"{day}.jsonl.gz",
            {
                "messageId": f"ajs-{secrets.token_hex(12)}", "type": "page", "name": "Account",
                "userId": "7999999999991", "anonymousId": "5eaf6c1e-1c1d-4d57-9a2f-0d6f5c1b7a99", "timestamp": at,
                "originalTimestamp": at, "sentAt": at, "receivedAt": at,
                "context": {
                    "page": {
                        "path": f"/account/{self.path}", "referrer": f"https://mail.example/?to={self.path}",
                        "url": f"https://shop.example/account/{self.path}?email={self.email}", "title": self.remark,
                    },
                    "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0",
                    "ip": "198.51.100.77", "locale": "bg-BG",
                },
                "traits": names | {"email": self.email, "phone": self.phone},
                "properties": {"path": f"/account/{self.path}", "note": self.property},
            },
        )  # fmt: skip


def put(path: Path, *records: dict[str, Any] | str) -> None:
    """Write a new file of JSON lines, as its system hands it over."""
    lines = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records).encode()
    assert not path.exists()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)


def raw_values(data: Path) -> str:
    """What extraction has taken, as one text."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_schema like 'raw_%'"
            " and table_name not like '\\_dlt%' escape '\\'"
        ).fetchall()
        return "\n".join(str(connection.execute(f'from "{s}"."{t}"').fetchall()) for s, t in tables)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_of_a_next_day_while_others_read(company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(company))
    env, marked, old = environment(company), Marked(), shown()
    marked.write(company / "sources")
    query = "select count(*), bit_xor(hash(e)) from customers.customer_events as e"
    with opened(masked=True) as held_open, Readers(env) as readers:
        before = held_open.execute(query).fetchall()
        rows = held_open.execute("select event_id from customers.customer_events")
        begun = rows.fetchmany(100)
        done = call(KINSHIP, "run", env=env, timeout=1800)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        told = readers.stop()
        # what was open before the run still is what it was
        assert len(begun) + len(rows.fetchall()) == old.rows["customers.customer_events"]
        assert held_open.execute(query).fetchall() == before
    new = shown()
    assert new.run != old.run
    for one in told:
        assert {old.run, new.run} <= set(one["seen"]) and one["longest"] < PATIENCE, told

    # the plant took: extraction has all of it, the tables the person, one and the same from four systems
    raw = raw_values(company)
    assert {value for value in marked.everything if value not in raw} == set()
    with opened(masked=False) as full:
        people = full.execute(
            "select count(*), any_value(email), any_value(last_name) from customers.customers where last_name = ?",
            [marked.last],
        ).fetchall()
        assert people == [(1, marked.email, marked.last)]

    for pattern in ("published/current.json", "published/*/publication.json", "published/*/masked.duckdb"):
        assert no_marker(company, pattern, marked)
    for pattern in ("dagster/**/*", "dbt/**/*", "data_docs/**/*", "great_expectations/**/*"):
        assert no_marker(company, pattern, marked)
    printed = tmp_path / "printed.txt"
    printed.write_text(done.stdout + done.stderr)
    assert held(printed, marked.everything) == set()

    # DuckDB compresses texts: the same tables published again as they are
    copied = copy_house(company, tmp_path / "copied")
    monkeypatch.setenv("KINSHIP_DATA", str(copied))
    folder = publish_uncompressed()
    assert held(folder / "warehouse.duckdb", marked.in_tables) == marked.in_tables, "the search can find"
    assert held(folder / "masked.duckdb", marked.everything) == set()


def no_marker(data: Path, pattern: str, marked: Marked) -> bool:
    """Whether no file that is there has a marker in its bytes; says which kinds it finds, where."""
    files = [path for path in data.glob(pattern) if path.is_file()]
    assert files, pattern
    kinds = {value: name for name, value in vars(marked).items()}
    found = {
        str(path.relative_to(data)): sorted(kinds[value] for value in values)
        for path in files
        if (values := held(path, marked.everything))
    }
    assert not found, found
    return True
