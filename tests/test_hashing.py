"""Hashes of personal data, against the examples that Meta and Google publish with their expected SHA-256."""

import hashlib
import unicodedata

import pytest

from reverse_etl.hashing import GOOGLE, META, for_google, for_meta

# "Customer information parameters", Conversions API: input and expected output, for every example that has both
META_PUBLISHED = [
    ("EMAIL", "John_Smith@gmail.com", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
    ("PHONE", "+1 (650)555-1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    ("FN", "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
    ("FN", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
    ("FN", "Valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    ("COUNTRY", "US", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
]
# "Send audience members", Data Manager API: the sample members, formatted, hashed and encoded
GOOGLE_PUBLISHED = [
    ("email_address", "dana@example.com", "07e2f1394b0ea80e2adca010ea8318df697001a005ba7452720edda4b0ce57b3"),
    ("email_address", "DanaM@example.com", "1df6b43bc68dd38eca94e6a65b4f466ae537b796c81a526918b40ac4a7b906c7"),
    ("email_address", "ALEXF@example.com", "19de0a9906ebee29fe82087be5ec44f3c01e40730bc808b663c71f19dd6b12f2"),
    ("email_address", " AlexF@cymbalgroup.com", "7d2d80e240594dcee2e57f57885ee286c4b232dd142234d7a0af6d31cc86679b"),
    ("email_address", "alexF@altostrat.com", "063c45291827d4994f98357b72862b25885834fd53cf8f0e4af359916fc03c62"),
    ("email_address", "quinn@CYMBALGROUP.com", "05bb62526f091b45d20e243d194766cca8869137421047dc53fa4876d111a6f0"),
    (
        "email_address",
        "baklavainthebalkans@gmail.com ",
        "f1fcde379f31f4d446b76ee8f34860eca2288adc6b6d6c0fdc56d9eee75a2fa5",
    ),
    ("email_address", "rosario@example.org", "83a834cc5327bc4dee7c5408988040dc5813c7662611cd93b707aff72bf7d33f"),
    (
        "email_address",
        "cloudySanFrancisco@GMAIL.com",
        "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
    ),
    (
        "email_address",
        "cloudy.sanfrancisco+shopping@gmail.com",
        "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
    ),
    ("phone_number", "+1-800-555-0100", "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30"),
    ("phone_number", "+1 800-555-0101", "61d6c2976b5d92b1ad63073a12fddd26040cd980067d03a93dd1cc50f1a3ac68"),
    ("phone_number", "+1 800-555-0102", "c5383c2eeada28210d27f011bc127d4f9562cf38ff0c9bba33dd45ae79b9fe7c"),
    ("phone_number", "+1-800-555-0110", "525c2390a4e2a9766fa8ddc341dd10414603baebefa401f5a5e29f55e176525d"),
]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("column", "value", "expected"), META_PUBLISHED)
def test_meta_publishes_this_hash(column: str, value: str, expected: str) -> None:
    assert for_meta(column, value) == expected


@pytest.mark.parametrize(("field", "value", "expected"), GOOGLE_PUBLISHED)
def test_google_publishes_this_hash(field: str, value: str, expected: str) -> None:
    assert for_google(field, value) == expected


@pytest.mark.parametrize(
    ("column", "value", "normal"),
    [
        ("EMAIL", "  A.B+c@GMAIL.com ", "a.b+c@gmail.com"),  # dots and suffixes stay: only Google drops them
        ("PHONE", "0049 170 1234567", "491701234567"),
        ("PHONE", "+44 (0)20 7946 0958", "442079460958"),
        ("PHONE", "٤٩١٧٠١٢٣٤٥٦٧", "491701234567"),
        ("FN", " Mary-Ann. ", "maryann"),
        ("LN", "O'Brien", "obrien"),
        ("LN", "Nguyễn Văn", "nguyễnvăn"),
        ("FN", "गौरव", "गौरव"),  # vowel signs are marks, not punctuation
        ("CT", "New York", "newyork"),
        ("ST", "CA", "ca"),
        ("ZIP", "94035-1234", "94035"),
        ("ZIP", "SW1A 1AA", "sw1a1aa"),
        ("ZIP", "01310-100", "01310100"),
        ("GEN", "Female", "f"),
        ("DOBY", "1997", "1997"),
        ("DOBM", "2", "02"),
        ("DOBD", "16", "16"),
    ],
)
def test_meta_normalises(column: str, value: str, normal: str) -> None:
    assert for_meta(column, value) == sha256(normal)


@pytest.mark.parametrize(
    ("field", "value", "normal"),
    [
        ("email_address", "user.name+NYC@Example.com", "user.name+nyc@example.com"),
        ("email_address", "a.b@googlemail.com", "ab@googlemail.com"),
        ("email_address", "d ana@ex ample.com", "dana@example.com"),
        ("phone_number", "00 1 800 555 0100", "+18005550100"),
        ("given_name", " Mary Ann ", "mary ann"),
        ("family_name", "O'Brien", "obrien"),
    ],
)
def test_google_normalises(field: str, value: str, normal: str) -> None:
    assert for_google(field, value) == sha256(normal)


def test_what_is_not_hashed() -> None:
    assert for_meta("MADID", " AB1234-C ") == "ab1234-c"
    assert for_meta("EXTERN_ID", " Cust-0001 ") == "Cust-0001"
    assert for_google("region_code", " us ") == "US"
    assert for_google("postal_code", " 94303-5300") == "94303-5300"


@pytest.mark.parametrize("value", [None, "", "   ", "..."])
def test_nothing_is_never_hashed(value: str | None) -> None:
    empty = sha256("")
    for column in set(META) - {"EXTERN_ID", "MADID"}:
        assert for_meta(column, value) is None
    for field in set(GOOGLE) - {"postal_code"}:
        assert for_google(field, value) is None
    assert empty not in {for_meta("EXTERN_ID", value), for_google("postal_code", value)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("EMAIL", "not-an-address"),
        ("EMAIL", "@example.com"),
        ("PHONE", "12"),
        ("PHONE", "+1 650 555 1212 ext. 5"),
        ("COUNTRY", "United States"),
        ("GEN", "x"),
        ("DOBY", "97"),
        ("DOBM", "13"),
        ("DOBD", "0"),
    ],
)
def test_meta_is_not_sent_what_it_cannot_match(column: str, value: str) -> None:
    assert for_meta(column, value) is None


def test_google_is_not_sent_a_number_without_a_country_code() -> None:
    assert for_google("phone_number", "650 555 1212") is None


def test_the_platforms_never_share_a_hash_where_their_rules_differ() -> None:
    assert for_meta("PHONE", "+18005550100") != for_google("phone_number", "+18005550100")
    assert for_meta("EMAIL", "a.b@gmail.com") != for_google("email_address", "a.b@gmail.com")


def test_accents_are_hashed_in_one_form() -> None:
    assert for_meta("FN", unicodedata.normalize("NFD", "Valéry")) == for_meta("FN", "Valéry")
