"""Ids of devices, domains, national ids and dates of birth: against Python's uuid, urllib and datetime."""

import uuid
from datetime import date, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.provisional import urls
from normal_forms import normal, reads_as_spark

DEVICE = "normalise_device_id('v')"
DOMAIN = "normalise_domain('v')"
NATIONAL = "normalise_national_id('v')"
BIRTH = "normalise_birth_date('v')"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.uuids(), min_size=1, max_size=20))
def test_every_writing_of_a_uuid_is_one(ids: list[uuid.UUID]) -> None:
    want = [str(one) for one in ids]
    for writing in (str, lambda one: one.hex, lambda one: f"{{{one}}}".upper(), lambda one: f" {one} "):
        assert normal(DEVICE, [writing(one) for one in ids]) == want


@pytest.mark.parametrize(
    ("written", "normal_form"),
    [
        ("GA1.2.1234.5678", "ga1.2.1234.5678"),
        ("tablet", "tablet"),
        ("7", "7"),
        ("00000000-0000-0000-0000-000000000000", None),
        ("00000000000000000000000000000000", None),
        ("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", None),
        ("0", None),
        ("null", None),
        ("undefined", None),
        ("(not set)", None),
        ("N/A", None),
        ("  ", None),
        (None, None),
    ],
)
def test_device_id(written: str | None, normal_form: str | None) -> None:
    assert normal(DEVICE, [written]) == [normal_form]


@pytest.mark.parametrize(
    ("written", "normal_form"),
    [
        ("https://www.Example.com/path?x=1#top", "example.com"),
        ("http://shop.example.com:8080", "shop.example.com"),
        ("//example.com/x", None),
        ("example.com", "example.com"),
        ("www.example.com.", "example.com"),
        ("www2.example.com", "example.com"),
        ("www.com", "www.com"),
        ("ann@example.co.uk", "example.co.uk"),
        ("mailto:ann@example.com", "example.com"),
        ("https://ann:secret@example.com/", "example.com"),
        ("münchen.example", "münchen.example"),
        ("http://10.0.0.1/", None),
        ("Example Ltd.", None),
        ("localhost", None),
        ("", None),
        (None, None),
    ],
)
def test_domain(written: str | None, normal_form: str | None) -> None:
    assert normal(DOMAIN, [written]) == [normal_form]


@settings(max_examples=15, deadline=None)
@given(st.lists(urls(), min_size=30, max_size=30))
def test_domains_of_urls_agree_with_urllib(addresses: list[str]) -> None:
    hosts = [urlsplit(address).hostname or "" for address in addresses]
    want = [host.rstrip(".") for host in hosts]
    got = normal(DOMAIN, addresses)
    assert [
        pair for pair in zip(addresses, want, got, strict=True) if not pair[1].startswith("www") and pair[1] != pair[2]
    ] == []
    assert normal(DOMAIN, got) == got


@pytest.mark.parametrize(
    ("written", "normal_form"),
    [
        ("850101-1234", "8501011234"),
        ("ab 123.456 c", "AB123456C"),
        ("ab1", None),
        ("0000000000", None),
        ("n/a", None),
        ("", None),
        (None, None),
    ],
)
def test_national_id(written: str | None, normal_form: str | None) -> None:
    assert normal(NATIONAL, [written]) == [normal_form]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.dates(date(1800, 1, 1), date(2199, 12, 31)), min_size=30, max_size=30))
def test_dates_of_birth_agree_with_python(days: list[date]) -> None:
    want = [day.isoformat() for day in days]
    for pattern in ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", " %Y-%m-%d 00:00:00"):
        assert normal(BIRTH, [day.strftime(pattern) for day in days]) == want
    assert normal(BIRTH, [f"{day.day}.{day.month}.{day.year}" for day in days]) == want
    for pattern in ("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"):
        clear = [day.isoformat() if day.day > 12 or day.day == day.month else None for day in days]
        assert normal(BIRTH, [day.strftime(pattern) for day in days]) == clear


def test_every_day_is_read_with_leading_zeros_and_without() -> None:
    days = [date(2000, 1, 1) + timedelta(days=n) for n in range(366)]
    clear = [day.isoformat() if day.day > 12 or day.day == day.month else None for day in days]
    assert normal(BIRTH, [f"{day.day}/{day.month}/{day.year}" for day in days]) == clear


@pytest.mark.parametrize(
    "written",
    [
        "1980-02-30",
        "19801301",
        "31.4.1980",
        "0000-00-00",
        "1.2.80",
        "80-02-01",
        "1799-12-31",
        "2200-01-01",
        "soon",
        "",
        None,
    ],
)
def test_what_is_no_date_of_birth_is_none(written: str | None) -> None:
    assert normal(BIRTH, [written]) == [None]


def test_placeholders_stay_for_the_matching_to_weigh() -> None:
    assert normal(BIRTH, ["1900-01-01", "1970-01-01"]) == ["1900-01-01", "1970-01-01"]


@pytest.mark.parametrize(("written", "normal_form"), [(" 12x34 ", "12x34"), ("Ab", "Ab"), ("", None), (None, None)])
def test_other_ids_are_trimmed(written: str | None, normal_form: str | None) -> None:
    assert normal("normalise_id('v')", [written]) == [normal_form]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text("{}-0aAfF19 nul/", max_size=36), min_size=60, max_size=60))
@pytest.mark.parametrize("call", [DEVICE, DOMAIN, NATIONAL, BIRTH, "normalise_id('v')", "normalise_country_code('v')"])
def test_a_normal_form_is_its_own(call: str, values: list[str]) -> None:
    once = normal(call, values)
    assert normal(call, once) == once
    assert normal(call, [f" {value}  " for value in values]) == once
    if call != "normalise_id('v')":
        assert normal(call, [value.upper() for value in values]) == once


@pytest.mark.parametrize("call", [DEVICE, DOMAIN, NATIONAL, BIRTH, "normalise_id('v')", "normalise_country_code('v')"])
def test_spark_reads_its_own_form(call: str) -> None:
    reads_as_spark(call)
