"""Purchases at the till and by phone, with a loyalty card or without any name."""

from itertools import accumulate
from random import Random

from demo.behaviour.life import Known, Life
from demo.catalogue import POPULARITY, PRODUCTS, Product
from demo.clock import DAY, HOUR, to_date
from demo.people import Person
from demo.sources.erp import write_invoice
from demo.world import World

_CUMULATIVE = tuple(accumulate(POPULARITY))


def get_card(moment: int, life: Life, known: Known) -> None:
    """From now on purchases with the card's number turn up. A card is lent to the partner now and then."""
    life.agenda.at(life.later(max(moment, life.world.opening), 15), _purchase, life, known)


def _basket(chance: Random, generosity: float) -> list[tuple[Product, int]]:
    lines = 1 + int(chance.expovariate(0.45 / generosity))
    return [
        (chance.choices(PRODUCTS, cum_weights=_CUMULATIVE)[0], 1 + int(chance.paretovariate(1.3) * generosity) % 60)
        for _ in range(min(lines, 25))
    ]


def _purchase(moment: int, life: Life, known: Known) -> None:
    chance, person = life.chance, known.person
    if moment > known.lapses:
        return
    at = moment // DAY * DAY + 9 * HOUR + chance.randrange(9 * HOUR)
    at = max(at, moment)
    known.invoices += 1
    number = f"{50_000_000 + person.index * 200 + known.invoices}"
    basket = _basket(chance, person.generosity)
    # a till without network hands its invoices in days later
    arrival = at + chance.randint(1, 3) * DAY if chance.random() < 0.01 else at
    write_invoice(life.world, at, number, basket, person.loyalty_number, person.locale.country, arrival)
    life.world.see("erp", f"customers:{person.loyalty_number}", _buyer(life, person), arrival)
    if chance.random() < 0.07:
        life.agenda.at(life.hour((at // DAY + chance.randint(1, 14)) * DAY), _bring_back, life, known, number, basket)
    life.agenda.at(life.later(at, 28 if person.kind != "till" else 20), _purchase, life, known)


def _buyer(life: Life, person: Person) -> Person:
    if len(life.members) > 1 and not life.unit.company and life.sometimes(0.015):
        return life.members[0].person if life.members[0].person is not person else life.members[1].person
    return person


def _bring_back(moment: int, life: Life, known: Known, number: str, basket: list[tuple[Product, int]]) -> None:
    """A cancellation: the invoice's number with a C before it, some of its lines with the quantity turned round."""
    back = basket[: life.chance.randint(1, len(basket))]
    lines = [(product, -quantity) for product, quantity in back]
    person = known.person
    write_invoice(life.world, moment, f"C{number}", lines, person.loyalty_number, person.locale.country)
    life.world.see("erp", f"customers:{person.loyalty_number}", person, moment)


def sell_to_strangers(world: World, day: int) -> None:
    """What the till sells on one day to people who leave no name, and its corrections of stock."""
    chance = world.chance("till", day)
    quiet = 0.4 if to_date(day).weekday() == 6 else 1.0
    invoices = int(world.people * 0.006 * quiet * chance.lognormvariate(0, 0.2)) + chance.randint(1, 3)
    for number in range(invoices):
        at = day * DAY + 9 * HOUR + chance.randrange(9 * HOUR)
        country = (
            "United Kingdom" if chance.random() < 0.93 else chance.choice(("Germany", "France", "Bulgaria", "Spain"))
        )
        write_invoice(world, at, f"9{day - world.start:04d}{number:04d}", _basket(chance, 1.0), "", country)
    if chance.random() < 0.3:
        at = day * DAY + 19 * HOUR
        write_invoice(
            world,
            at,
            f"9{day - world.start:04d}9999",
            [(chance.choice(PRODUCTS), -chance.randint(1, 40))],
            "",
            "United Kingdom",
        )
