"""Who there is: people in households and companies, each a function of the seed and a number alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from demo.clock import date_text
from demo.locales import LOCALES, WEIGHTS, Locale, Name, Place

MAIL_DOMAINS = (
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "post.example",
    "inbox.example",
    "freemail.example",
)
DOMAIN_WEIGHTS = (28, 14, 10, 22, 10, 9, 7)

# Share of people and sessions a day: what kind of customer someone is decides how often they come and what they do.
TYPES = {
    "visitor": (0.20, 1 / 40),
    "subscriber": (0.12, 1 / 45),
    "guest": (0.10, 1 / 45),
    "shopper": (0.32, 1 / 20),
    "loyal": (0.09, 1 / 7),
    "lapsing": (0.07, 1 / 6),
    "till": (0.10, 1 / 200),
}

_SIZES = ((1, 58), (2, 22), (3, 8), (4, 6), (5, 2), (-1, 4))
_INDUSTRIES = (
    "Hospitality",
    "Retail",
    "Events",
    "Interior Design",
    "Education",
    "Health Care",
    "Consulting",
    "Publishing",
    "Travel",
)
_COMPANY_KINDS = {
    "en": "Ltd", "bg": "ООД", "de": "GmbH", "fr": "SARL", "es": "S.L.", "pl": "Sp. z o.o.", "th": "Co., Ltd.",
}  # fmt: skip
_COMPANY_WORDS = (
    "North Harbour",
    "Blue Lantern",
    "Oak & Ivy",
    "Silver Fern",
    "Red Kite",
    "Golden Thread",
    "Paper Moon",
    "Stone Bridge",
    "Green Valley",
    "Morning Star",
    "White Swan",
    "Copper Kettle",
    "Wild Rose",
    "Old Mill",
    "Bright Side",
    "Little Garden",
    "Amber Coast",
    "Quiet Hill",
)


@dataclass(slots=True)
class Address:
    street: str
    place: Place
    postal_code: str


@dataclass(slots=True)
class Company:
    number: int
    name: str
    domain: str
    industry: str
    employees: int
    phone: str


@dataclass(slots=True)
class Person:
    """What is true of someone; what the systems know of them is another matter."""

    index: int
    person_id: str
    locale: Locale
    given: Name
    family: Name
    born: str
    kind: str
    sessions_a_day: float
    generosity: float
    arrives: int
    """Days after the company's first day; below zero: was there before."""
    mobile: str
    """National number without the trunk zero."""
    email: str
    second_email: str
    household_id: str
    address: Address
    language: str
    loyalty_number: str = ""
    opt_in: float = 0.5
    nickname: str = ""


@dataclass(slots=True)
class Unit:
    """People who share things: a household (address, landline, tablet, mailbox) or a company (mailbox, domain)."""

    index: int
    locale: Locale
    members: list[Person] = field(default_factory=list)
    company: Company | None = None
    landline: str = ""
    shared_mailbox: str = ""
    has_tablet: bool = False

    @property
    def unit_id(self) -> str:
        return f"h{self.index:07d}"


def units(people: int, seed: int) -> Iterator[Unit]:
    """All households and companies of a company of `people` people, in order. The last may be smaller than drawn."""
    first = 0
    index = 0
    sizes, weights = zip(*_SIZES, strict=True)
    while first < people:
        chance = Random(f"{seed}/unit/{index}")
        size = chance.choices(sizes, weights)[0]
        is_company = size < 0
        if is_company:
            size = chance.randint(2, 6)
        size = min(size, people - first)
        yield _unit(index, first, size, is_company, chance, seed)
        first += size
        index += 1


def _unit(index: int, first: int, size: int, is_company: bool, chance: Random, seed: int) -> Unit:
    locale = chance.choices(LOCALES, WEIGHTS)[0]
    unit = Unit(index, locale)
    home = _address(locale, chance)
    family = locale.family_name(chance)
    if size > 1 or is_company:
        # no country's numbers begin with 0 or 1 after the area code
        unit.landline = f"{chance.choice(locale.landline)}4{_digits(index, 6)}"
    if is_company:
        words = chance.choice(_COMPANY_WORDS)
        domain = f"{''.join(letter for letter in words.lower() if letter.isalpha())}{index}.example"
        employees = int(chance.paretovariate(0.8) * 4)
        name = f"{words} {_COMPANY_KINDS[locale.language]}"
        unit.company = Company(index, name, domain, chance.choice(_INDUSTRIES), employees, unit.landline)
        unit.shared_mailbox = f"info@{domain}"
    elif size > 1:
        unit.has_tablet = chance.random() < 0.35
        if chance.random() < 0.2:
            unit.shared_mailbox = f"family.{_local_part(family[0].latin)}{index}@{chance.choice(MAIL_DOMAINS)}"
    for place in range(size):
        other_family = is_company or (place > 0 and chance.random() < 0.2)
        names = locale.family_name(chance) if other_family else family
        address = _address(locale, chance) if is_company else home
        unit.members.append(_person(first + place, place, unit, names, address, chance, seed))
    return unit


def _address(locale: Locale, chance: Random) -> Address:
    place = chance.choices(locale.places, range(len(locale.places) * 2, len(locale.places), -1))[0]
    return Address(locale.street(chance), place, locale.postal_code(place, chance))


def _person(
    index: int, place: int, unit: Unit, names: tuple[Name, Name], address: Address, chance: Random, seed: int
) -> Person:
    locale = unit.locale
    woman = chance.random() < 0.5 if place > 1 or unit.company else (place == 0) == (chance.random() < 0.55)
    given = chance.choice(locale.women if woman else locale.men)
    if place > 1 and chance.random() < 0.06:
        # named after a parent: same name, same address, another person
        given = unit.members[chance.randrange(2)].given
    family = names[1] if woman else names[0]
    kinds = list(TYPES)
    kind = "business" if unit.company else chance.choices(kinds, [TYPES[kind][0] for kind in kinds])[0]
    rate = 1 / 30 if kind == "business" else TYPES[kind][1]
    email = personal_email(given, family, index, chance)
    second = personal_email(given, family, index, chance, second=True)
    if unit.company:
        style = f"{_local_part(given.latin)}.{_local_part(family.latin)}"
        if place:
            style += str(place + 1)
        second, email = email, f"{style}@{unit.company.domain}"
    arrives = -1 - int(chance.expovariate(1 / 200)) if chance.random() < 0.5 else int(chance.expovariate(1 / 45))
    year = 1945 + int(chance.betavariate(3, 2.5) * 62) if place < 2 else 1990 + chance.randint(0, 18)
    born = date_text((year - 1970) * 365 + (year - 1969) // 4 + chance.randrange(365))
    person = Person(
        index=index,
        person_id=f"p{index:07d}",
        locale=locale,
        given=given,
        family=family,
        born=born,
        kind=kind,
        sessions_a_day=min(rate * chance.lognormvariate(0, 0.8), 3.0),
        generosity=chance.lognormvariate(0, 0.5) * (1.6 if kind in ("loyal", "lapsing", "business") else 1.0),
        arrives=arrives,
        mobile=mobile_number(index, locale, seed),
        email=email,
        second_email=second,
        household_id=unit.unit_id,
        address=address,
        language=locale.language if chance.random() < 0.9 else "en",
        opt_in=chance.betavariate(2, 1.5),
        nickname=chance.choice(given.others) if given.others else given.latin,
    )
    carded = 1.0 if kind == "till" else (0.45 if locale.country_code == "GB" else 0.2) if kind != "visitor" else 0.0
    if chance.random() < carded:
        person.loyalty_number = str(100_001 + index)
    return person


def _local_part(latin: str) -> str:
    return "".join(letter for letter in latin.lower() if letter.isascii() and letter.isalnum())


def personal_email(given: Name, family: Name, index: int, chance: Random, *, second: bool = False) -> str:
    """An address on a reserved domain that nobody else in this company has: the number in it is the person's."""
    first, last = _local_part(given.latin), _local_part(family.latin.split()[0])
    nick = _local_part(given.others[0]) if given.others else ""
    tag = f"{index}x" if second else f"{index}"
    local = chance.choice(
        (f"{first}.{last}{tag}", f"{first}.{last}{tag}", f"{first[:1]}{last}{tag}", f"{last}.{first}{tag}",
         f"{nick or first}_{last}{tag}", f"{nick or first}{tag}")
    )  # fmt: skip
    return f"{local}@{chance.choices(MAIL_DOMAINS, DOMAIN_WEIGHTS)[0]}"


def _digits(number: int, width: int = 7) -> str:
    """`width` well-mixed digits, others for each `number`: multiplication by a unit modulo 10^width."""
    return f"{(number * 7_368_787 + 1_234_567) % 10**width:0{width}d}"


def mobile_number(index: int, locale: Locale, seed: int) -> str:
    """A possible mobile number of the country, without the trunk zero.

    Nobody else has it, unless it was recycled: about one person in a hundred has a number that somebody else gave up.
    """
    donor = recycled_from(index, seed)
    return own_number(index if donor is None else donor, locale)


def own_number(number: int, locale: Locale) -> str:
    """A mobile number that only `number` has."""
    return locale.mobile[number % len(locale.mobile)] + _digits(number)


def recycled_from(index: int, seed: int) -> int | None:
    """The person whose old mobile number this person has now, if both live in the same country (one in six does)."""
    mixed = (index * 2_654_435_761 + seed * 40_503) % 1_000_003
    return index - 7 if mixed % 16 == 0 and index >= 7 else None
