"""Normal forms of e-mail addresses and telephone numbers against well-kept libraries: email-validator, phonenumbers."""

from collections.abc import Iterator, Sequence

import duckdb
import email_validator
import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from macros import render
from normal_forms import load_seeds, reads_as_spark

FORMS = render("normal_forms('written')", ref=lambda name: name)
Written = tuple[str | None, str | None]  # value, country


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        load_seeds(opened)
        opened.execute("create table written (kind text, value text, country_code text)")
        yield opened


def normal_values(connection: duckdb.DuckDBPyConnection, kind: str, written: Sequence[Written]) -> list[str | None]:
    """Normal forms, by the seeds, of (value, country) pairs."""
    connection.execute("delete from written")
    connection.executemany(
        "insert into written values (?, ?, ?)", [[kind, value, country or ""] for value, country in written]
    )
    found = {(value, country): normal for _, value, country, normal in connection.execute(FORMS).fetchall()}
    return [found[value, country or ""] for value, country in written]


def email(connection: duckdb.DuckDBPyConnection, value: str | None) -> str | None:
    return normal_values(connection, "email", [(value, None)])[0]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ann.Lee@Example.com", "ann.lee@example.com"),
        ("  ann@example.com ", "ann@example.com"),
        ("ann@\u00a0example.com\u200b", "ann@example.com"),
        ("ann+shop@example.com", "ann@example.com"),
        ("ann-shop@example.com", "ann-shop@example.com"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
        ("a.nn@outlook.com", "a.nn@outlook.com"),
        ("ann@hotmail.com", "ann@hotmail.com"),
        ("ann-shop@yahoo.de", "ann@yahoo.de"),
        ("ann+shop@yahoo.de", "ann@yahoo.de"),
        ("ann@me.com", "ann@icloud.com"),
        ("ann@ya.ru", "ann@yandex.ru"),
        ("relay+1@privaterelay.appleid.com", "relay+1@privaterelay.appleid.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("Ann Lee <ann@example.com>", "ann@example.com"),
        ("mailto:ann@example.com?subject=Hello", "ann@example.com"),
        ("ann@example.com.", "ann@example.com"),
        ("иван@example.com", "иван@example.com"),
        ("ann@MÜNCHEN.example", "ann@münchen.example"),
        ("ann@example", None),
        ("ann@@example.com", None),
        ("@example.com", None),
        ("+tag@example.com", None),
        ("...@gmail.com", None),
        ("ann@10.0.0.1", None),
        ("ann@example.com, bob@example.com", None),
        ("<ann@example.com>, <bob@example.com>", None),
        ("N/A", None),
        ("", None),
        (None, None),
    ],
)
def test_email_normal_form(connection: duckdb.DuckDBPyConnection, written: str | None, normal: str | None) -> None:
    assert email(connection, written) == normal


def test_who_wants_tags_kept_changes_one_row(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("begin")
    connection.execute("update email_providers set tag_separators = null where domain = '*'")
    kept = normal_values(connection, "email", [("ann+shop@firm.example", None), ("ann+shop@gmail.com", None)])
    connection.execute("rollback")
    assert kept == ["ann+shop@firm.example", "ann@gmail.com"]


@settings(max_examples=60, deadline=None)
@given(st.emails())
def test_no_valid_address_is_lost(connection: duckdb.DuckDBPyConnection, address: str) -> None:
    try:
        valid = email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError:
        return
    # read as a tag, or as punctuation around the address
    assume(not valid.local_part.startswith("+") and not any(mark in address for mark in "/{}<>,; "))
    normal = email(connection, address)
    assert normal is not None and normal.endswith("@" + address.split("@")[1].lower().replace("googlemail", "gmail"))
    assert email(connection, normal) == normal == email(connection, f" {address.upper()} ")


# Argentina writes a mobile number with 15 at home and 9 abroad; Belarus dials 8 0; the others have numbers of 4 digits.
NOT_READ_IN_NATIONAL_NOTATION = {"AR", "BY", "NU", "TA", "TK"}
# Cape Verde, Samoa, Guyana, Mongolia, Mauritius: their way out (0, 001, 020) is the beginning of other numbers.
NO_WAY_OUT = {"CV", "WS", "GY", "MN", "MU"}


def examples() -> Iterator[tuple[str, phonenumbers.PhoneNumber]]:
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(country, kind)
            if number is not None:
                yield country, number


def differing(
    connection: duckdb.DuckDBPyConnection, cases: Sequence[Written], expected: Sequence[str | None]
) -> list[object]:
    got = normal_values(connection, "phone", cases)
    return [(case, want, is_) for case, want, is_ in zip(cases, expected, got, strict=True) if want != is_]


def test_phone_notations_agree_with_phonenumbers(connection: duckdb.DuckDBPyConnection) -> None:
    cases: list[Written] = []
    expected: list[str] = []
    for country, number in examples():
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        written: list[Written] = [
            (e164, country),
            (international, None),
            ("00" + e164[1:], None),
            (f"tel:{international} ext. 12", country),
            (phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.RFC3966), country),
            (international + "x7", country),
            (international.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")), country),
            (international.translate(str.maketrans("+0123456789", "＋０１２３４５６７８９")), country),
        ]
        if country not in NOT_READ_IN_NATIONAL_NOTATION:
            written.append((phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL), country))
        cases += written
        expected += [e164] * len(written)
    assert len(cases) > 3500
    assert differing(connection, cases, expected) == []


def test_numbers_dialled_from_abroad_agree_with_phonenumbers(connection: duckdb.DuckDBPyConnection) -> None:
    number = phonenumbers.parse("+447400123456")
    cases = [
        (phonenumbers.format_out_of_country_calling_number(number, country), country)
        for country in sorted(phonenumbers.SUPPORTED_REGIONS - NO_WAY_OUT)
        if phonenumbers.country_code_for_region(country) != 44
    ]
    assert differing(connection, cases, ["+447400123456"] * len(cases)) == []


def test_a_forgotten_plus_is_seen_where_no_number_at_home_is_so_long(connection: duckdb.DuckDBPyConnection) -> None:
    cases: list[Written] = []
    expected: list[str] = []
    for country, number in examples():
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        code = phonenumbers.country_code_for_region(country)
        # a trunk prefix before it, or a whole number at home, is what it looks like
        if len(e164) > (12 if code == 55 else 11) and code != 1:
            cases.append((e164[1:], country))
            expected.append(e164)
    assert len(cases) > 200
    assert differing(connection, cases, expected) == []


@pytest.mark.parametrize(
    ("written", "country", "normal"),
    [
        ("+359 (0)88 812 3456", "BG", "+359888123456"),
        ("+359 0888 123456", "BG", "+359888123456"),
        ("(+359) 888 123 456", "BG", "+359888123456"),
        ("+ 359 888 123456", None, "+359888123456"),
        ("тел. 0888 123456 вътр. 5", "BG", "+359888123456"),
        ("0888123456#12", "BG", "+359888123456"),
        ("0888123456,,12", "BG", "+359888123456"),
        ("+39 06 1234567", "IT", "+39061234567"),
        ("011 44 7400 123456", "US", "+447400123456"),
        ("0011 44 7400 123456", "AU", "+447400123456"),
        ("1-800-FLOWERS", "US", None),
        ("0888 123456", None, None),
        ("", None, None),
        ("N/A", "BG", None),
        ("12", "BG", None),
        ("0" * 19, None, None),
        ("none", None, None),
        (None, "BG", None),
    ],
)
def test_phone_normal_form(
    connection: duckdb.DuckDBPyConnection, written: str | None, country: str | None, normal: str | None
) -> None:
    assert normal_values(connection, "phone", [(written, country)]) == [normal]


@settings(max_examples=60, deadline=None)
@given(st.text("+0123456789 ()-/x", max_size=22), st.sampled_from([None, "BG", "US", "BR", "IT", "RU"]))
def test_a_phone_number_in_normal_form_is_its_own(
    connection: duckdb.DuckDBPyConnection, written: str, country: str | None
) -> None:
    once = normal_values(connection, "phone", [(written, country)])[0]
    again = normal_values(connection, "phone", [(once, None), (f" {written} ", country)])
    assert again[1] == once
    assert again[0] == once


@pytest.mark.parametrize(
    "call",
    ["normalise_email('v')", "normalise_email('v', 'v', 'true', 'v')", "normalise_phone('v', 'v', 'v')"],
)
def test_spark_reads_its_own_form(call: str) -> None:
    reads_as_spark(call)
