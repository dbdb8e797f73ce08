"""Personal data as advertising platforms compare it: normalised by each platform's own rules, then SHA-256.

The platforms disagree (Meta wants a phone number without `+` and keeps the dots of a Gmail address, Google wants `+`
and drops the dots), so a hash made for one is worthless for the other: there is one function per platform, and none
that both share.

Sources: Meta, "Customer information parameters" of the Conversions API and "Hashing and normalizing data" of customer
file custom audiences; Google, "Format user data" and `AddressInfo` of the Data Manager API. Their published examples
are the vectors in tests/test_hashing.py.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable

_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_DIGITS = re.compile(r"[0-9]{7,15}")
"""E.164 has 15 digits at most; the shortest international numbers have 7."""
_NO_DIGIT = re.compile(r"[^0-9]")
_ASCII_NEITHER = re.compile(r"[^0-9a-z]")
_ZIP_PLUS_4 = re.compile(r"([0-9]{5})-[0-9]{4}")


def sha256(text: str) -> str:
    """Lower-case hexadecimal SHA-256 of the UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def for_meta(column: str, value: str | None) -> str | None:
    """What Meta's column of that name (`EMAIL`, `PHONE` ...) holds for a value; None when there is nothing to compare.

    Never the hash of an empty text: it would match everybody who is as empty. Raises KeyError for an unknown column.
    """
    normal = META[column](_composed(value)) if value is not None else None
    if not normal:
        return None
    return normal if column in META_IN_THE_CLEAR else sha256(normal)


def for_google(field: str, value: str | None) -> str | None:
    """What Google's field of that name (`email_address`, `phone_number`, `given_name` ...) holds for a value.

    None when there is nothing to compare. Raises KeyError for an unknown field.
    """
    normal = GOOGLE[field](_composed(value)) if value is not None else None
    if not normal:
        return None
    return normal if field in GOOGLE_IN_THE_CLEAR else sha256(normal)


def _composed(value: str) -> str:
    """One form for letters with accents (NFC): the examples of both platforms are in it."""
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def _kept(value: str, classes: str) -> str:
    return "".join(character for character in value if unicodedata.category(character)[0] in classes)


def _letters(value: str) -> str:
    """Lower case; letters of every script with their marks, and digits, but no punctuation, symbols or blanks."""
    value = value.lower()
    return _ASCII_NEITHER.sub("", value) if value.isascii() else _kept(value, "LMN")


def _digits(value: str) -> str | None:
    """The digits of an international number without leading zeros; None for what is none.

    An extension or a word in it would end in somebody else's number: refused, not cut. A trunk zero in brackets
    (`+44 (0)20 ...`) is not dialled from abroad.
    """
    value = value.replace("(0)", "")
    if not value.isascii():
        value = "".join(str(unicodedata.digit(one)) if one.isdigit() else one for one in value)
    if any(map(str.isalpha, value)):
        return None
    digits = _NO_DIGIT.sub("", value).lstrip("0")
    return digits if _DIGITS.fullmatch(digits) else None


def _address(value: str) -> str | None:
    local, at, domain = value.rpartition("@")
    return value if at and local and "." in domain and len(value.split()) == 1 else None


def _meta_email(value: str) -> str | None:
    return _address(value.strip().lower())


def _meta_zip(value: str) -> str:
    value = value.strip()
    if plus_4 := _ZIP_PLUS_4.fullmatch(value):
        return plus_4[1]
    return _letters(value)


def _meta_gender(value: str) -> str | None:
    return {"f": "f", "female": "f", "m": "m", "male": "m"}.get(value.strip().lower())


def _two_letters(value: str) -> str | None:
    value = value.strip().lower()
    return value if re.fullmatch(r"[a-z]{2}", value) else None


def _number(low: int, high: int, width: int) -> Callable[[str], str | None]:
    def normalise(value: str) -> str | None:
        value = value.strip()
        if not re.fullmatch(r"[0-9]{1,4}", value) or not low <= int(value) <= high:
            return None
        return value.lstrip("0").zfill(width)

    return normalise


META: dict[str, Callable[[str], str | None]] = {
    "EMAIL": _meta_email,
    "PHONE": _digits,
    "FN": _letters,
    "LN": _letters,
    "CT": _letters,
    "ST": _letters,
    "ZIP": _meta_zip,
    "COUNTRY": _two_letters,
    "GEN": _meta_gender,
    "DOBY": _number(1900, 9999, 4),
    "DOBM": _number(1, 12, 2),
    "DOBD": _number(1, 31, 2),
    "MADID": lambda value: value.strip().lower(),
    "EXTERN_ID": lambda value: value.strip(),
}
"""Meta's multi-key columns and how each is normalised."""
META_IN_THE_CLEAR = frozenset({"MADID", "EXTERN_ID"})
"""Columns that Meta takes without a hash: device ids, and our own ids."""


def _google_email(value: str) -> str | None:
    value = "".join(value.split()).lower()
    local, at, domain = value.rpartition("@")
    if domain in _GMAIL:
        value = f"{local.partition('+')[0].replace('.', '')}{at}{domain}"
    return _address(value)


def _google_phone(value: str) -> str | None:
    value = value.strip()
    if not value.startswith(("+", "00")):
        # without a country code it would be a number of any country
        return None
    digits = _digits(value)
    return f"+{digits}" if digits else None


def _google_name(value: str) -> str:
    return _kept(value.lower(), "LMNZ").strip()


def _google_region(value: str) -> str | None:
    region = _two_letters(value)
    return region.upper() if region else None


GOOGLE: dict[str, Callable[[str], str | None]] = {
    "email_address": _google_email,
    "phone_number": _google_phone,
    "given_name": _google_name,
    "family_name": _google_name,
    "region_code": _google_region,
    "postal_code": lambda value: value.strip(),
}
"""Google's identifiers and parts of an address, and how each is normalised."""
GOOGLE_IN_THE_CLEAR = frozenset({"region_code", "postal_code"})
"""Fields that Google takes without a hash."""
