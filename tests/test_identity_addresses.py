"""Addresses written by two people come out as one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_forms import normal, reads_as_spark

STREET = "fold_street('v')"


@pytest.mark.parametrize(
    "writings",
    [
        ["12 High Street", "High St. 12", "12, HIGH ST", "12 high str"],
        [
            "Flat 3, 12 High Street",
            "12 High St #3",
            "12 High St, Apt 3",
            "12 High Street, Unit 3",
            "Apartment 3, 12 High St",
        ],
        ["350 5th Avenue", "350 5th Ave.", "350, 5th Av"],
        ["Hauptstraße 12a", "Hauptstr. 12 A", "HAUPTSTRASSE 12a", "12a Hauptstr"],
        ["Berliner Straße 4", "Berliner Str. 4"],
        ["10 rue de la Paix", "rue de la Paix, 10", "10 RUE DE LA PAIX"],
        ["5 boulevard Voltaire", "5 bd Voltaire", "5, Bd. Voltaire"],
        ["Calle Mayor 3", "C/ Mayor, 3", "C. Mayor nº 3"],
        ["Avenida de la Constitución 5", "Av. de la Constitución 5", "Avda. de la Constitucion, 5"],
        ["Piazza Garibaldi 7", "P.za Garibaldi 7?", "pza Garibaldi, 7"],
        ["ul. Marszałkowska 5 m. 3", "Marszalkowska 5 lok. 3", "ulica Marszałkowska 5 m 3"],
        ["ул. Иван Вазов № 5", "ул. „Иван Вазов“ 5", "5 Ivan Vazov", "ulitsa Ivan Vazov 5"],
        ["бул. Витоша 1, ет. 2, ап. 5", "bul. Vitosha 1, et. 2, ap. 5", "булевард Витоша 1 етаж 2 апартамент 5"],
        ["улица Ленина, дом 5, кв. 3", "ул. Ленина, д. 5, кв. 3", "Ленина 5, кв 3"],
    ],
)
def test_one_house_written_in_several_ways(writings: list[str]) -> None:
    forms = dict(zip(writings, normal(STREET, writings), strict=True))
    assert {form for writing, form in forms.items() if not writing.endswith("?")} == {forms[writings[0]]}


def test_houses_next_door_stay_apart() -> None:
    houses = [
        "12 High Street",
        "12a High Street",
        "13 High Street",
        "12 High Road",
        "12 High Lane",
        "Flat 12, 3 High Street",
        "12 Hill Street",
    ]
    assert len(set(normal(STREET, houses))) == len(houses)


@pytest.mark.parametrize(
    ("written", "normal_form"),
    [
        ("sw1a 1aa", "SW1A1AA"),
        ("D-10115", "10115"),
        ("BG - 1000", "1000"),
        ("94105-1234", "94105"),
        ("00-950", "00950"),
        ("1234 ab", "1234AB"),
        (" 1000 ", "1000"),
        ("n/a", None),
        ("", None),
        (None, None),
    ],
)
def test_postcode(written: str | None, normal_form: str | None) -> None:
    assert normal("normalise_postcode('v')", [written]) == [normal_form]


def test_an_address_key_needs_a_house_and_a_place() -> None:
    def key(street: str, postcode: str, city: str, country: str) -> str | None:
        arguments = ", ".join(f'"{one if one == "null" else repr(one)}"' for one in (street, postcode, city, country))
        return str(found) if (found := normal(f"postal_address_key({arguments})", ["x"])[0]) else None

    assert key("12 high s", "1000", "sofia", "BG") == "12 high s|1000|BG"
    assert key("12 high s", "null", "sofia", "null") == "12 high s|sofia|"
    assert key("12 high s", "null", "null", "BG") is None
    assert key("high s", "1000", "sofia", "BG") is None
    assert key("null", "1000", "sofia", "BG") is None


WORDS = st.sampled_from(
    [
        *("12", "3a", "7", "b", "High", "Street", "St.", "Straße", "Hauptstr.", "rue", "Flat", "ap.", "#3", ",", "№"),
        *("ул.", "бул.", "ет.", "5", "д.", "-", "floor", "2nd", "av", "road", "calle", "Mayor", "nr", "piso", "m"),
    ]
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=7).map(" ".join), min_size=80, max_size=80))
def test_a_folded_street_keeps_its_words(streets: list[str]) -> None:
    """Case and blanks count for nothing."""
    once = normal(STREET, streets)
    assert normal(STREET, [f" {street.upper()}  " for street in streets]) == once


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text("0123456789 -ABDabd", max_size=10), min_size=40, max_size=40))
def test_a_postcode_in_normal_form_is_its_own(codes: list[str]) -> None:
    once = normal("normalise_postcode('v')", codes)
    assert normal("normalise_postcode('v')", once) == once
    assert normal("normalise_postcode('v')", [f" {code.upper()} " for code in codes]) == once


@pytest.mark.parametrize("call", [STREET, "normalise_postcode('v')", "postal_address_key('v', 'v', 'v', 'v')"])
def test_spark_reads_its_own_form(call: str) -> None:
    reads_as_spark(call)
