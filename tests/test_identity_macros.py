"""The normal forms of identifiers against well-kept libraries: phonenumbers, email-validator."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import email_validator
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import render

SEEDS = Path(__file__).parents[1] / "seeds"
EMAIL = render("normalise_email('v')")
PHONE = render("normalise_phone('v', 'code', 'trunk')")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def email(connection: duckdb.DuckDBPyConnection, value: str | None) -> str | None:
    row = connection.execute(f"select {EMAIL} from (select ? as v)", [value]).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ann.Lee@Example.com", "ann.lee@example.com"),
        ("  ann@example.com ", "ann@example.com"),
        ("ann+shop@example.com", "ann@example.com"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("иван@example.com", "иван@example.com"),
        ("ann@example", None),
        ("ann@@example.com", None),
        ("@example.com", None),
        ("+tag@example.com", None),
        ("ann@example.com, bob@example.com", None),
        ("N/A", None),
        ("", None),
        (None, None),
    ],
)
def test_email_normal_form(connection: duckdb.DuckDBPyConnection, written: str | None, normal: str | None) -> None:
    assert email(connection, written) == normal


@settings(max_examples=80, deadline=None)
@given(st.emails())
def test_no_valid_address_is_lost(connection: duckdb.DuckDBPyConnection, address: str) -> None:
    try:
        valid = email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError:
        return
    if valid.local_part.startswith("+") or any(mark in address for mark in "/{}<>,; "):
        return  # read as a tag, or as punctuation around the address
    normal = email(connection, address)
    assert normal is not None and normal.endswith("@" + address.split("@")[1].lower().replace("googlemail", "gmail"))


def phones(written: list[tuple[str, str | None]]) -> list[str | None]:
    """Normal forms of (number, country) pairs, in one query over the seed."""
    with duckdb.connect() as connection:
        return [
            row[0]
            for row in connection.execute(
                f"""
                select {PHONE}
                from (
                    select p.n as v, p.c as country, p.i as i
                    from (select unnest(?::struct(n text, c text, i int)[]) as p)
                )
                left join (
                    select country_code, calling_code as code, coalesce(trunk_prefix, '') as trunk
                    from read_csv('{SEEDS / "country_calling_codes.csv"}', all_varchar = true)
                ) on country = country_code
                order by i
                """,
                [[{"n": n, "c": c, "i": i} for i, (n, c) in enumerate(written)]],
            ).fetchall()
        ]


# Argentina writes a mobile number with 15 at home and 9 abroad; Belarus dials 8 0; the others have numbers of 4 digits.
NOT_READ_IN_NATIONAL_NOTATION = {"AR", "BY", "NU", "TA", "TK"}


def test_phone_notations_agree_with_phonenumbers() -> None:
    cases: list[tuple[str, str | None]] = []
    expected: list[str] = []
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(country, kind)
            if number is None:
                continue
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            written: list[tuple[str, str | None]] = [(e164, country), (international, None), ("00" + e164[1:], None)]
            if country not in NOT_READ_IN_NATIONAL_NOTATION:
                written.append((phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL), country))
            cases += written
            expected += [e164] * len(written)
    differing = [
        (case, want, got) for case, want, got in zip(cases, expected, phones(cases), strict=True) if want != got
    ]
    assert len(cases) > 1500
    assert differing == []


def test_what_is_no_phone_number_is_none() -> None:
    assert phones([("", None), ("N/A", "BG"), ("12", "BG"), ("0" * 19, None), ("none", None)]) == [None] * 5
