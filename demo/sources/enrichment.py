"""Bought-in attributes of people by e-mail address and of companies by domain; a delivery a week."""

import hashlib
from random import Random

from demo.clock import DAY, spaced
from demo.people import Company, Person
from demo.world import World

_TITLES = (
    "Office Manager",
    "Buyer",
    "Event Planner",
    "Owner",
    "Marketing Lead",
    "Teacher",
    "Nurse",
    "Engineer",
    "Designer",
    "Accountant",
)
_SENIORITY = ("junior", "senior", "manager", "director", "owner")
_INCOME = ("0-20k", "20-40k", "40-60k", "60-100k", "100k+")


def delivery_day(world: World, day: int) -> int:
    """The next weekly delivery on or after `day`."""
    return day + (world.start - day) % 7


def write_person(
    world: World, moment: int, person: Person, email: str, chance: Random, company: Company | None
) -> None:
    """What the broker says about `email`, in the next delivery; the broker is wrong about age now and then."""
    age = 2026 - int(person.born[:4]) + (chance.randint(-15, 15) if chance.random() < 0.1 else 0)
    day = delivery_day(world, max(moment // DAY, world.start))
    at = day * DAY + 3 * 3600 + chance.randrange(3600)
    world.emit(
        "enrichment/people",
        at,
        {
            "email": email,
            "full_name": f"{person.given.latin} {person.family.latin}",
            "job_title": chance.choice(_TITLES),
            "seniority": chance.choice(_SENIORITY),
            "company_domain": company.domain if company else None,
            "age_band": f"{age // 10 * 10}-{age // 10 * 10 + 9}",
            "income_band": chance.choice(_INCOME),
            "country_code": person.locale.country_code,
            "updated_at": spaced(at),
        },
    )
    digest = hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()
    world.see("enrichment", f"people:{digest}", person, at)


def write_company(world: World, moment: int, company: Company, country_code: str) -> None:
    day = delivery_day(world, max(moment // DAY, world.start))
    at = day * DAY + 3 * 3600
    world.emit(
        "enrichment/companies",
        at,
        {
            "domain": company.domain,
            "name": company.name,
            "industry": company.industry,
            "employees": company.employees,
            "country_code": country_code,
            "updated_at": spaced(at),
        },
    )
