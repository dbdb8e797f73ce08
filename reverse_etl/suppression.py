# ruff: noqa: S608 - SQL is put together here from our own names
"""The suppression list: who must never be sent, and who must be erased. Hashes only, in `seeds/suppressions.csv`.

A row is the SHA-256 (hexadecimal) of the UTF-8 of a normal form: an e-mail in small letters without blanks around it; a
telephone number as `+` and digits (E.164); a customer_id as it is. Of an e-mail whose provider delivers several ways of
writing it to one mailbox (seed email_providers), the form that identity knows stands in the list as well.
"""

import csv
import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Literal, get_args

import duckdb

from kinship.sql import quoted
from reverse_etl.errors import ConfigurationError
from reverse_etl.warehouse import has_table, one_row

Kind = Literal["email", "phone", "customer_id"]
Action = Literal["suppress", "erase"]

COLUMNS = ("type", "sha256", "action", "reason", "since_date")


def normal_form(kind: Kind, value: str) -> str:
    """The text whose hash is listed. Raises ValueError, without the value, when it cannot be one."""
    value = value.strip()
    if kind == "email":
        if not re.fullmatch(r"[^\s@]+@[^\s@]+", value):
            raise ValueError("an e-mail address looks like name@example.com")
        return value.lower()
    if kind == "phone":
        digits = re.sub(r"[^0-9]", "", re.sub(r"^\s*00", "+", value))
        if not re.match(r"\+|00", value) or not 7 <= len(digits) <= 15:
            raise ValueError("a telephone number must be international: + and 7 to 15 digits")
        return f"+{digits}"
    if not value:
        raise ValueError("a customer_id is not empty")
    return value


def hashes(kind: Kind, value: str, providers: Path) -> list[str]:
    """The hashes that stand for the value; `providers` is `seeds/email_providers.csv`. Raises ValueError."""
    forms = [normal_form(kind, value)]
    if kind == "email" and (mailbox := _mailbox(forms[0], providers)) not in forms:
        forms.append(mailbox)
    return [hashlib.sha256(form.encode()).hexdigest() for form in forms]


def suppress(seeds: Path, kind: Kind, value: str, action: Action, reason: str, since: date) -> int:
    """Append a person's value to `suppressions.csv` in the folder `seeds`; returns how many rows that took.

    What is listed with the same action already is not written again. Raises ValueError for a value that cannot be one.
    """
    path = seeds / "suppressions.csv"
    with path.open(newline="", encoding="utf-8") as file:
        known = {(row["type"], row["sha256"], row["action"]) for row in csv.DictReader(file)}
    fresh = [
        (kind, digest, action, reason, since.isoformat())
        for digest in hashes(kind, value, seeds / "email_providers.csv")
        if (kind, digest, action) not in known
    ]
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(fresh)
    return len(fresh)


def hashed_key_sql(key: str) -> str:
    """The hash of a sync's key, whatever kind of identifier it is: what `normal_form` does, in SQL."""
    return f"""sha256(case
        when contains({key}, '@') then lower(trim({key}))
        when starts_with({key}, '+') or starts_with({key}, '00')
            then '+' || regexp_replace(regexp_replace({key}, '^00', ''), '[^0-9]', '', 'g')
        else {key}
    end)"""


def lay_out_suppressions(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Fill the temporary tables `suppressed_values` (sha256, is_erased) and `suppressed_customers` (customer_id,
    is_erased) from the warehouse's list.

    A warehouse built before there was a list has an empty one. Raises ConfigurationError for a row that cannot be
    meant: a person whose row has a slip in it would be sent.
    """
    connection.execute(
        """create or replace temp table suppressed_values (type varchar, sha256 varchar, is_erased boolean);
        create or replace temp table suppressed_customers (customer_id varchar, is_erased boolean);"""
    )
    house = quoted(catalog)
    if not has_table(connection, catalog, "seeds", "suppressions"):
        return
    connection.execute(
        f"""insert into suppressed_values
        select type, lower(trim(sha256)), bool_or(action = 'erase') from {house}.seeds.suppressions
        where type in {get_args(Kind)} and action in {get_args(Action)}
            and regexp_full_match(lower(trim(sha256)), '[0-9a-f]{{64}}')
        group by all"""
    )
    wrong, listed = one_row(
        connection,
        f"""select
            count(*) filter (not coalesce(
                type in {get_args(Kind)} and action in {get_args(Action)}
                and regexp_full_match(lower(trim(sha256)), '[0-9a-f]{{64}}'), false
            )),
            count(*)
        from {house}.seeds.suppressions""",
    )
    if wrong:
        raise ConfigurationError(
            f"seeds/suppressions.csv: {wrong} of {listed} rows cannot be meant: type is one of "
            f"{', '.join(get_args(Kind))}, "
            f"action one of {', '.join(get_args(Action))}, sha256 has 64 hex digits"
        )
    if not listed:
        return
    people = []
    if has_table(connection, catalog, "customers", "customer_identifiers"):
        people.append(
            f"""select identifiers.customer_id::varchar as customer_id, listed.is_erased
            from {house}.customers.customer_identifiers as identifiers
            inner join suppressed_values as listed
                on identifiers.identifier_type = listed.type and sha256(identifiers.identifier_value) = listed.sha256
            -- a shared mailbox is nobody's: its hash holds back the mailbox itself, not the people who wrote from it
            where not coalesce(identifiers.is_quarantined, false)"""
        )
    if one_row(connection, "select exists(from suppressed_values where type = 'customer_id')")[0]:
        ids = ["select customer_id, customer_id as current_id from accepted"]
        if has_table(connection, catalog, "identity", "identity_redirects"):
            ids.append(
                f"""select customer_id, coalesce(current_customer_id, customer_id)
                from {house}.identity.identity_redirects"""
            )
        ids.append(f"select customer_id::varchar, customer_id::varchar from {house}.customers.customer_consents")
        people.append(
            f"""select unnest([ids.customer_id, ids.current_id]) as customer_id, listed.is_erased
            from ({" union ".join(ids)}) as ids
            inner join suppressed_values as listed
                on listed.type = 'customer_id' and sha256(ids.customer_id) = listed.sha256"""
        )
    if people:
        connection.execute(
            f"""insert into suppressed_customers
            select customer_id, bool_or(is_erased) from ({" union all ".join(people)})
            where customer_id is not null group by customer_id"""
        )


def _mailbox(address: str, providers: Path) -> str:
    """The address by the policy of its provider, as the macro `normalise_email` has it."""
    with providers.open(newline="", encoding="utf-8") as file:
        policies = {row["domain"]: row for row in csv.DictReader(file)}
    name, _, domain = address.rpartition("@")
    policy = policies.get(domain, policies["*"])
    for separator in policy["tag_separators"]:
        name = name.split(separator)[0]
    if policy["ignores_dots"] == "true":
        name = name.replace(".", "")
    return f"{name}@{policy['canonical_domain'] or domain}"
