"""What a column of a table of person records holds, guessed from its name and its values."""

import re
from collections.abc import Mapping, Sequence

IGNORE = "ignore"

# Words that name such a column, in the languages files come in; a name is read whole first, then word by word.
_HINTS: tuple[tuple[str, str], ...] = (
    (
        IGNORE,
        r"cluster|entity|truth|true|label|group|split|is_\w+|row|index|unnamed\w*|created|updated|modified|timestamp|source",
    ),
    ("email", r"e?mail|e_?mail|mailadresse|correo|courriel|poczta|имейл|поща|почта"),
    ("phone", r"(tele)?phone|tel|telefon\w*|mobil\w*|handy\w*|cell\w*|fax|gsm|msisdn|телефон|мобилен"),
    (
        "birth_date",
        r"dob|birth|birth_?da(te|y)|date_?of_?birth|born|geburt\w*|geb|naissance|nacimiento|nascita|urodzenia|рожд\w*|роден\w*",
    ),
    (
        "national_id",
        r"ssn|soc|social|national|passport|tax|nino|pesel|egn|егн|dni|nif|cpf|bsn|steuer\w*|ausweis\w*|инн|снилс",
    ),
    ("postcode", r"zip\w*|post_?code|postal|postal_?code|plz|postleitzahl|cp|codigo_?postal|cap|postnr|индекс|пк"),
    ("country", r"country|land|pays|pais|paese|kraj|държава|страна"),
    ("street", r"street\w*|address\w*|addr\w*|str|stra(ss|ß)e|rue|calle|via|ulica|адрес|улица|ул"),
    ("city", r"city|town|suburb|locality|place|birth_?place|ort|stadt|wohnort|ville|ciudad|citta|miasto|град|город"),
    ("given_name", r"first|first_?name|given\w*|forename|fname|vorname|prenom|nombre|imie|име|имя"),
    (
        "family_name",
        r"last|last_?name|sur_?name|family\w*|lname|nachname|familienname|nom|apellidos?|cognome|nazwisko|фамили\w*",
    ),
    ("full_name", r"name|full_?name|customer_?name|contact_?name|display_?name|имена|фио"),
    (
        "other",
        r"gender|sex|geschlecht|sexe|пол|occupation|profession|job|beruf|title|company|employer|region|state|province|county|middle\w*|nationality",
    ),
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DATE = re.compile(r"(1[89]|20)\d\d-?[01]\d-?[0-3]\d|[0-3]?\d[./][0-3]?\d[./](1[89]|20)\d\d")
_PHONE = re.compile(r"(\+|00)[\d ()/.-]{7,20}")
_MOSTLY = 0.8  # of the values that are there


def guess(name: str, values: Sequence[str]) -> str:
    """The type of a column (of `matching.columns`, or `ignore`), by its name first, else by a sample of its values.

    A column that only numbers its rows, or says nothing about a person that could be compared, is ignored: the wrong
    column counted as a likeness does more harm than one left out.
    """
    words = re.sub(r"([a-zа-я0-9])([A-ZА-Я])", r"\1_\2", name)
    words = re.sub(r"\W+|_+", "_", words).strip("_").lower()
    for kind, pattern in _HINTS:
        if re.fullmatch(pattern, words):
            return kind
    for kind, pattern in _HINTS:
        if any(re.fullmatch(pattern, word) for word in words.split("_")):
            return kind
    filled = [value.strip() for value in values if value and value.strip()]
    if not filled:
        return IGNORE
    for kind, form in (("email", _EMAIL), ("birth_date", _DATE), ("phone", _PHONE)):
        if sum(bool(form.fullmatch(value)) for value in filled) >= _MOSTLY * len(filled):
            return kind
    with_letters = sum(any(letter.isalpha() for letter in value) for value in filled) / len(filled)
    distinct = len(set(filled)) / len(filled)
    return "other" if with_letters >= _MOSTLY and distinct < _MOSTLY and len(set(filled)) > 1 else IGNORE


def numbered(types: Mapping[str, str]) -> dict[str, str]:
    """Types by column with `other` numbered (`other_1` ...).

    Of city, postcode, country, birth date and national id the first column counts, a further one is another `other`;
    columns of one name or street are written together, those of a contact stand side by side.
    """
    taken: set[str] = set()
    found: dict[str, str] = {}
    others = 0
    for column, kind in types.items():
        if kind in ("city", "postcode", "country", "birth_date", "national_id") and kind in taken:
            kind = "other"
        if kind == "other":
            others += 1
            kind = f"other_{others}"
        taken.add(kind)
        found[column] = kind
    return found
