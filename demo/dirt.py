"""How people and clerks write things down: mistakes, nicknames, notations, and what they put when they will not say."""

from random import Random

from demo.locales import Locale
from demo.people import Person

PLACEHOLDER_EMAILS = ("test@test.com", "noemail@example.com", "none@example.com", "N/A", "unknown@example.org")
PLACEHOLDER_PHONES = ("0000000000", "1234567890", "N/A", "000-000-0000", "+10000000000")
PLACEHOLDER_NAMES = ("Test", "N/A", "Customer", "-")


def typo(text: str, chance: Random) -> str:
    """One slip of the fingers: two letters swapped, one doubled or one left out."""
    if len(text) < 4:
        return text
    place = chance.randrange(1, len(text) - 1)
    slip = chance.randrange(3)
    if slip == 0:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if slip == 1:
        return text[:place] + text[place] + text[place:]
    return text[:place] + text[place + 1 :]


def email_as_typed(email: str, chance: Random) -> str:
    """Mostly as it is; sometimes in capitals, with blanks, with a plus-tag, or with a slip before the @."""
    roll = chance.random()
    if roll < 0.84 or not email:
        return email
    local, _, domain = email.partition("@")
    if roll < 0.885:
        return email.title() if roll < 0.87 else email.upper()
    if roll < 0.92:
        return f" {email}" if roll < 0.9 else f"{email} "
    if roll < 0.97:
        return f"{local}+{chance.choice(('shop', 'news', 'orders', 'kinship'))}@{domain}"
    return f"{typo(local, chance)}@{domain}"


def phone_as_typed(locale: Locale, number: str, chance: Random) -> str:
    """A national number (without its trunk zero) in one of the ways people write it."""
    code, trunk = locale.calling_code, locale.trunk
    spaced = f"{number[:2]} {number[2:5]} {number[5:]}"
    return chance.choice(
        (
            f"+{code}{number}",
            f"+{code}{number}",
            f"{trunk}{number}",
            f"{trunk}{number}",
            f"00{code}{number}",
            f"+{code} {spaced}",
            f"{trunk}{spaced}",
            f"(+{code}) {spaced}",
            f"+{code} ({trunk}){number}" if trunk else f"+{code}-{number}",
            f"{trunk}{number[:3]}-{number[3:6]}-{number[6:]}",
            f"{code}{number}",
            f"({trunk}{number[:2]}) {number[2:]}",
        )
    )


def given_as_written(person: Person, chance: Random, *, formal: float = 0.75, native: float = 0.5) -> str:
    """The given name in one of its spellings.

    `formal` is the share of full names, `native` the share of the person's own script.
    """
    name = person.given
    if chance.random() > formal:
        return person.nickname
    text = name.native if chance.random() < native else name.latin
    return typo(text, chance) if chance.random() < 0.015 else text


def family_as_written(person: Person, chance: Random, *, native: float = 0.5) -> str:
    name = person.family
    if name.others and chance.random() < 0.12:
        return chance.choice(name.others)
    text = name.native if chance.random() < native else name.latin
    if chance.random() < 0.02:
        return typo(text, chance)
    return text.upper() if chance.random() < 0.02 else text


def names_as_written(person: Person, chance: Random, *, formal: float = 0.75) -> tuple[str, str]:
    """Given and family name in one script; a few change places."""
    native = 1.0 if chance.random() < 0.6 else 0.0
    given = given_as_written(person, chance, formal=formal, native=native)
    family = family_as_written(person, chance, native=native)
    return (family, given) if chance.random() < 0.01 else (given, family)
