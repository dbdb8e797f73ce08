"""Source files in which everything that ruins an identity graph occurs, with the truth kept aside.

    python benchmarks/identity_pathological.py --people 5000 --seed 1 --out FOLDER

Writes `FOLDER/sources/<source>/...` as `kinship extract` reads them, `FOLDER/truth/records.parquet` in the shape of the
demo company's, and `FOLDER/truth/traits.parquet`, what is special about whom (`person_id`, `trait`). Names, addresses
and numbers are those of the demo's people; what goes wrong is decided here, between 2021 and the middle of 2026:

* placeholders typed by clerks and guests, on a list and on nobody's list, common ones and rare ones;
* mailboxes of families and companies, landlines of households, the phone and mailbox of a clerk who typed the record;
* family tablets, kiosks with logins of hundreds, cookie ids handed to many by a cache, ids of devices that collide;
* numbers given up and handed to somebody else; people who change address and number up to 24 times;
* second accounts, replaced cards, a dummy card of the till on strangers' records;
* typing errors, children named after a parent, twins with one birth date.
"""

import argparse
import csv
import gzip
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from random import Random
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.clock import DAY, day_number, iso, iso_ms, spaced
from demo.dirt import email_as_typed, names_as_written, phone_as_typed
from demo.people import Person, Unit, own_number, units
from demo.truth import RECORDS

MOST_PEOPLE = 100_000
BEGIN, END = (day_number(date(2021, 1, 1)) * DAY, day_number(date(2026, 6, 30)) * DAY)

# value and weight; the first ones are on every list, the others only this company's clerks know
NO_EMAIL = (
    ("test@test.com", 30), ("noemail@example.com", 20), ("na@na.com", 10), ("N/A", 10),
    ("walkin@counter.example", 25), ("kunde@laden.example", 15), ("asdf@asdf.example", 8), ("x@y.example", 6),
    ("refused@counter.example", 3), ("none.given@desk.example", 2), ("later@desk.example", 1),
)  # fmt: skip
NO_PHONE = (
    ("0000000000", 30), ("+1234567890", 20), ("N/A", 10),
    ("+44 20 7946 0000", 20), ("+359 2 400 0000", 12), ("0700 123 123", 8), ("+49 30 1234567", 5),
    ("+33 1 40 00 00 00", 2), ("+48 22 555 55 55", 1),
)  # fmt: skip
DUMMY_CARDS = (("999999", 10), ("100000", 4), ("888801", 1))
TABLES = {
    "shopify/customers": "shopify/customers/2026-06-30.jsonl.gz",
    "shopify/orders": "shopify/orders/2026-06-30.jsonl.gz",
    "segment/events": "segment/2026-06-30.jsonl.gz",
    "vtiger/contacts": "vtiger/contacts/2026-06-30.jsonl",
    "vtiger/leads": "vtiger/leads/2026-06-30.jsonl",
    "klaviyo/profiles": "klaviyo/profiles/2026-06-30.jsonl",
    "zendesk/users": "zendesk/users/2026-06-30.jsonl",
}
TILL = ("invoice_no", "stock_code", "description", "quantity", "invoice_ts", "unit_price", "customer_id", "country")


@dataclass
class Files:
    """The files below `folder`, written as the people come, and who owns each record."""

    folder: Path
    owners: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    traits: dict[str, set[str]] = field(default_factory=dict)
    _open: dict[str, TextIO] = field(default_factory=dict)

    def see(self, source: str, record_id: str, *people: Person) -> None:
        known = self.owners.setdefault((source, record_id), [])
        known.extend(person.person_id for person in people if person.person_id not in known)

    def note(self, person: Person, trait: str) -> None:
        """Something is special about a person; said in the truth, so that losses can be told by their cause."""
        self.traits.setdefault(person.person_id, set()).add(trait)

    def write(self, table: str, record: dict[str, Any]) -> None:
        self._file(table, TABLES[table]).write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")

    def ring_up(self, invoice: str, moment: int, card: str, country: str) -> None:
        """One line of the till."""
        name = "erp/invoices.csv"
        new = name not in self._open
        writer = csv.writer(self._file(name, name), lineterminator="\n")
        if new:
            writer.writerow(TILL)
        writer.writerow((invoice, "G-100", "MUG", 1, spaced(moment), "4.50", card, country))

    def _file(self, key: str, name: str) -> TextIO:
        if key not in self._open:
            path = self.folder / "sources" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".gz":
                # no time in the header: the same seed writes the same bytes
                raw = gzip.GzipFile("", "wb", 1, path.open("wb"), mtime=0)
                self._open[key] = TextIOWrapper(raw, encoding="utf-8", newline="\n")  # type: ignore[arg-type]
            else:
                self._open[key] = path.open("w", encoding="utf-8", newline="\n")
        return self._open[key]

    def close(self) -> int:
        """End the files and write the truth; returns the number of records."""
        for file in self._open.values():
            raw = getattr(file.buffer, "fileobj", None)
            file.close()
            if raw is not None:
                raw.close()
        columns = [
            [source for source, _ in self.owners],
            [record_id for _, record_id in self.owners],
            [people[0] for people in self.owners.values()],
            [len(people) > 1 for people in self.owners.values()],
            [",".join(people[1:]) for people in self.owners.values()],
        ]
        truth = self.folder / "truth"
        truth.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.Table.from_arrays(
                [pa.array(values, kind.type) for values, kind in zip(columns, RECORDS, strict=True)], schema=RECORDS
            ),
            truth / "records.parquet",
        )
        traits = [(person, trait) for person, several in self.traits.items() for trait in sorted(several)]
        pq.write_table(
            pa.table({"person_id": [person for person, _ in traits], "trait": [trait for _, trait in traits]}),
            truth / "traits.parquet",
        )
        return len(self.owners)


@dataclass
class Contact:
    """When someone had which address and number: each value with the second from which it held, oldest first."""

    emails: list[tuple[int, str]]
    phones: list[tuple[int, str]]
    born: int
    gone: int

    def email(self, moment: int) -> str:
        return [value for since, value in self.emails if since <= moment][-1]

    def phone(self, moment: int) -> str:
        return [value for since, value in self.phones if since <= moment][-1]

    def moment(self, chance: Random) -> int:
        return chance.randrange(self.born, self.gone)


class Company:
    """What people share without knowing each other, and the writing of each unit's records."""

    def __init__(self, people: int, seed: int, files: Files) -> None:
        self.files = files
        self._chance = Random(f"{seed}/company")
        self._seed = seed
        self._given_up: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._clerks = max(4, people // 1500)
        self._kiosks = max(3, people // 800)
        self._cached = max(2, people // 5000)
        self._last_cookie: dict[str, str] = {}
        self._invoices = 0

    def tell(self, unit: Unit) -> None:
        chance = Random(f"{self._seed}/pathological/{unit.index}")
        if len(unit.members) > 3 and unit.company is None and chance.random() < 0.1:
            unit.members[3].born = unit.members[2].born
        home = Home(self, unit, chance)
        for person in unit.members:
            home.tell(person)
        home.close()

    def contact(self, person: Person, chance: Random) -> Contact:
        """Someone's addresses and numbers; now and then the number is one that somebody gave up months before."""
        born = chance.randrange(BEGIN, END - 400 * DAY)
        gone = chance.randrange(born + 200 * DAY, END)
        number = own_number(person.index, person.locale)
        pool = self._given_up[person.locale.country_code]
        is_chain = chance.random() < 0.001
        if pool and not is_chain and chance.random() < 0.04:
            self.files.note(person, "recycled_number")
            number, since = pool.pop(0)
            born = max(born, since)
            gone = max(gone, born + 90 * DAY)
        emails, phones = [(BEGIN, person.email)], [(BEGIN, number)]
        # further numbers from blocks of their own, so that nobody shares one by accident
        others = (own_number(person.index + block * MOST_PEOPLE, person.locale) for block in range(1, 99))
        if is_chain:
            self.files.note(person, "chain")
            # a long chain: at each step either the address or the number changes, never both
            steps = chance.randint(6, 24)
            born, gone = BEGIN + chance.randrange(200) * DAY, END
            for step in range(1, steps + 1):
                at = born + (gone - born) * step // (steps + 1)
                if step % 2:
                    emails.append((at, person.email.replace("@", f".{step}@")))
                else:
                    phones.append((at, next(others)))
        elif chance.random() < 0.15:
            self.files.note(person, "changed_email")
            emails.append((chance.randrange(born, gone), person.second_email))
        if len(phones) == 1 and chance.random() < 0.05:
            at = chance.randrange(born + (gone - born) // 2, gone)
            phones.append((at, next(others)))
            self.files.note(person, "changed_number")
            # networks keep a number back for some months before they hand it out again
            free = at + chance.randrange(120, 900) * DAY
            if free < END - 200 * DAY:
                pool.append((number, free))
        return Contact(emails, phones, born, gone)

    def clerk(self) -> int:
        return self._chance.randrange(self._clerks)

    def kiosk(self) -> str:
        """Some kiosks stand at the entrance: the first sees half of all logins, the second half of the rest."""
        number = min(int(self._chance.expovariate(0.7)), self._kiosks - 1)
        return _uuid(f"kiosk/{number}")

    def cookie(self, person: Person, name: str, chance: Random) -> str:
        """A browser's id: its own, one that a cache handed to many, or the last one somebody in the country got."""
        roll = chance.random()
        country = person.locale.country_code
        if roll < 0.004:
            self.files.note(person, "cached_cookie")
            return _uuid(f"cached/{chance.randrange(self._cached)}")
        if roll < 0.007 and country in self._last_cookie:
            self.files.note(person, "colliding_cookie")
            return self._last_cookie[country]
        self._last_cookie[country] = _uuid(f"{person.person_id}/{name}")
        return self._last_cookie[country]

    def invoice(self) -> str:
        self._invoices += 1
        return str(500_000 + self._invoices)

    def close(self) -> None:
        """Ring up the dummy cards: everybody's who had no card with them."""
        for card, weight in DUMMY_CARDS:
            for step in range(weight * 5):
                self.files.ring_up(self.invoice(), BEGIN + step * 30 * DAY % (END - BEGIN), card, "United Kingdom")


class Home:
    """Writes the records of one household or company."""

    def __init__(self, company: Company, unit: Unit, chance: Random) -> None:
        self._company = company
        self._files = company.files
        self._unit = unit
        self._chance = chance
        self._mailbox_users: list[tuple[Person, int]] = []
        self._desk_users: list[tuple[Person, int]] = []
        self._mailbox_has_account = False
        self._tablet = _uuid(f"tablet/{unit.index}") if unit.has_tablet else ""
        self._count = 0

    def tell(self, person: Person) -> None:
        chance = self._chance
        contact = self._company.contact(person, chance)
        cards = [person.loyalty_number] if person.loyalty_number else []
        if cards and chance.random() < 0.05:
            cards.append(str(2_000_000 + person.index))
        accounts: list[int] = []
        if chance.random() < 0.6:
            accounts.append(self._account(person, contact, cards, 0))
            if chance.random() < 0.015:
                accounts.append(self._account(person, contact, cards, 1))
                self._files.note(person, "second_account")
        self._surf(person, contact, accounts)
        long_chain = len(contact.emails) + len(contact.phones) > 5
        for _ in range(2 * len(contact.emails) + 2 * len(contact.phones) if long_chain else self._some(0.35, 4)):
            self._guest_order(person, contact)
        for _ in range(self._some(0.35, 2)):
            self._crm_contact(person, contact, cards)
        if chance.random() < 0.15:
            self._lead(person, contact)
        for _ in range(self._some(0.2, 2)):
            self._support(person, contact)
        if chance.random() < 0.5:
            self._profiles(person, contact, accounts, cards)
        for card in cards:
            self._till(person, contact, card)

    def close(self) -> None:
        """The mailing tool and the help desk know a mailbox once, however many people write from it."""
        mailbox = self._unit.shared_mailbox
        if self._mailbox_users:
            person, moment = self._mailbox_users[0]
            people = [user for user, _ in self._mailbox_users]
            self._profile(people, moment, mailbox, "", "", person)
        if self._desk_users:
            person, moment = self._desk_users[0]
            self._user([user for user, _ in self._desk_users], moment, mailbox, "", person)

    # what is typed

    def _some(self, share: float, most: int) -> int:
        return self._chance.randint(1, most) if self._chance.random() < share else 0

    def _number(self, person: Person) -> int:
        self._count += 1
        return person.index * 100_000 + self._count

    def _email(self, person: Person, contact: Contact, moment: int, *, clerk: bool) -> str:
        """What stands in the field: the address, the family's or company's, a placeholder, a clerk's, or nothing."""
        chance = self._chance
        roll = chance.random()
        if roll < (0.06 if clerk else 0.012):
            return _pick(NO_EMAIL, chance)
        if clerk and roll < 0.07:
            return f"clerk{self._company.clerk()}@desk.example"
        if self._unit.shared_mailbox and roll < 0.3:
            self._mailbox_users.append((person, moment))
            self._files.note(person, "shared_mailbox")
            return self._unit.shared_mailbox
        if clerk and roll > 0.85:
            return ""
        return email_as_typed(contact.email(moment), chance)

    def _phone(self, person: Person, contact: Contact, moment: int, *, clerk: bool) -> str:
        chance = self._chance
        roll = chance.random()
        if roll < (0.05 if clerk else 0.01):
            return _pick(NO_PHONE, chance)
        if clerk and roll < 0.08:
            return f"+44 161 496 0{self._company.clerk():03d}"
        if self._unit.landline and roll < 0.2:
            return phone_as_typed(person.locale, self._unit.landline, chance)
        if roll > 0.8:
            return ""
        return phone_as_typed(person.locale, contact.phone(moment), chance)

    def _names(self, person: Person) -> tuple[str, str]:
        chance = self._chance
        if chance.random() < 0.015:
            return chance.choice((("Test", "Test"), ("N/A", "N/A"), ("Customer", "-"), ("", "")))
        return names_as_written(person, chance)

    def _card(self, cards: list[str]) -> str:
        """A card number as a clerk fills in the field that must not be empty."""
        if self._chance.random() < 0.02:
            return _pick(DUMMY_CARDS, self._chance)
        return self._chance.choice(cards) if cards and self._chance.random() < 0.6 else ""

    def _address(self, person: Person, given: str, family: str, phone: str) -> dict[str, Any]:
        address = person.address
        return {
            "first_name": given, "last_name": family, "address1": address.street, "city": address.place.city,
            "zip": address.postal_code, "country": person.locale.country,
            "country_code": person.locale.country_code, "phone": phone or None,
        }  # fmt: skip

    # the systems

    def _account(self, person: Person, contact: Contact, cards: list[str], place: int) -> int:
        chance = self._chance
        moment = contact.moment(chance)
        customer_id = 7_000_000_000_000 + person.index * 10 + place
        email = person.second_email if place else contact.email(moment)
        if self._unit.shared_mailbox and not self._mailbox_has_account and chance.random() < 0.2:
            # the shop knows a mailbox once: one of the family has the account
            self._mailbox_has_account, email = True, self._unit.shared_mailbox
            self._mailbox_users.append((person, moment))
        elif chance.random() < 0.01:
            email = _pick(NO_EMAIL, chance).replace("@", f"+{customer_id % 1000}@")
        given, family = self._names(person)
        phone = self._phone(person, contact, moment, clerk=False)
        card = self._card(cards)
        record = {
            "id": customer_id, "email": email, "phone": phone or None, "first_name": given, "last_name": family,
            "created_at": iso(moment), "updated_at": iso(moment), "state": "enabled", "verified_email": True,
            "tags": f"loyalty:{card}" if card else "", "currency": person.locale.currency,
            "default_address": self._address(person, given, family, phone) if chance.random() < 0.5 else None,
        }  # fmt: skip
        self._files.write("shopify/customers", record)
        later = chance.randrange(moment, contact.gone + 1)
        if not place and contact.email(later) != email and chance.random() < 0.5:
            self._files.write(
                "shopify/customers", record | {"email": contact.email(later), "updated_at": iso(later + 1)}
            )
        for _ in range(self._some(0.7, 3)):
            self._order(person, contact, {"id": customer_id, "email": email})
        self._files.see("shopify", f"customers:{customer_id}", person)
        return customer_id

    def _guest_order(self, person: Person, contact: Contact) -> None:
        order_id = self._order(person, contact, None)
        self._files.see("shopify", f"orders:{order_id}", person)

    def _order(self, person: Person, contact: Contact, customer: dict[str, Any] | None) -> int:
        chance = self._chance
        moment = contact.moment(chance)
        order_id = 5_000_000_000_000 + self._number(person)
        given, family = self._names(person)
        by_phone = customer is None and chance.random() < 0.2
        if customer is None:
            email = self._email(person, contact, moment, clerk=by_phone)
            phone = self._phone(person, contact, moment, clerk=by_phone)
        else:
            email, phone = str(customer["email"]), ""
        address = self._address(person, given, family, phone)
        self._files.write(
            "shopify/orders",
            {
                "id": order_id, "name": f"#{order_id}", "email": email or None, "phone": phone or None,
                "created_at": iso(moment), "updated_at": iso(moment), "processed_at": iso(moment),
                "cancelled_at": None, "currency": person.locale.currency, "total_price": "19.00",
                "subtotal_price": "19.00", "total_tax": "3.17", "total_discounts": "0.00",
                "financial_status": "paid", "customer": customer, "billing_address": address,
                "shipping_address": address, "line_items": [], "discount_codes": [], "refunds": [],
                "cart_token": f"cart-{order_id}", "source_name": "web",
            },
        )  # fmt: skip
        return order_id

    def _crm_contact(self, person: Person, contact: Contact, cards: list[str]) -> None:
        chance = self._chance
        moment = contact.moment(chance)
        contact_id = f"12x{self._number(person)}"
        given, family = self._names(person)
        known = chance.random() < 0.6
        record = {
            "id": contact_id, "firstname": given, "lastname": family,
            "email": self._email(person, contact, moment, clerk=True), "secondaryemail": "",
            "phone": self._phone(person, contact, moment, clerk=True),
            "mobile": phone_as_typed(person.locale, contact.phone(moment), chance) if chance.random() < 0.4 else "",
            "account_id": "", "birthday": person.born if chance.random() < 0.35 else "",
            "mailingstreet": person.address.street if known else "",
            "mailingcity": person.address.place.city if known else "",
            "mailingzip": person.address.postal_code if known else "", "mailingcountry": person.locale.country,
            "emailoptout": "0", "donotcall": "0", "cf_loyalty_number": self._card(cards),
            "cf_marketing_consent": "", "cf_consent_date": "", "createdtime": spaced(moment),
            "modifiedtime": spaced(moment),
        }  # fmt: skip
        self._files.write("vtiger/contacts", record)
        later = chance.randrange(moment, contact.gone + 1)
        if record["email"] and contact.email(later) != contact.email(moment):
            changed = {"email": contact.email(later), "modifiedtime": spaced(later + 1)}
            self._files.write("vtiger/contacts", record | changed)
        self._files.see("vtiger", f"contacts:{contact_id}", person)

    def _lead(self, person: Person, contact: Contact) -> None:
        moment = contact.moment(self._chance)
        lead_id = f"10x{self._number(person)}"
        given, family = self._names(person)
        self._files.write(
            "vtiger/leads",
            {
                "id": lead_id, "firstname": given, "lastname": family,
                "email": self._email(person, contact, moment, clerk=True),
                "phone": self._phone(person, contact, moment, clerk=True), "mobile": "", "company": "",
                "city": person.address.place.city, "country": person.locale.country, "emailoptout": "0",
                "converted": "0", "createdtime": spaced(moment), "modifiedtime": spaced(moment),
            },
        )  # fmt: skip
        self._files.see("vtiger", f"leads:{lead_id}", person)

    def _support(self, person: Person, contact: Contact) -> None:
        """The desk makes a user per mailbox that writes in, and one per call that is no known number."""
        moment = contact.moment(self._chance)
        if self._unit.shared_mailbox and self._chance.random() < 0.3:
            self._desk_users.append((person, moment))
            return
        by_phone = self._chance.random() < 0.4
        email = "" if by_phone else contact.email(moment)
        phone = self._phone(person, contact, moment, clerk=True) if by_phone else ""
        self._user([person], moment, email, phone, person)

    def _user(self, people: list[Person], moment: int, email: str, phone: str, person: Person) -> None:
        user_id = 9_000_000_000_000 + self._number(person)
        given, family = self._names(person)
        self._files.write(
            "zendesk/users",
            {
                "id": user_id, "name": f"{given} {family}".strip() or None, "email": email or None,
                "phone": phone or None, "role": "end-user", "locale": person.locale.tag, "external_id": None,
                "created_at": iso(moment), "updated_at": iso(moment),
            },
        )  # fmt: skip
        self._files.see("zendesk", f"users:{user_id}", *people)

    def _profiles(self, person: Person, contact: Contact, accounts: list[int], cards: list[str]) -> None:
        account = str(accounts[0]) if accounts and self._chance.random() < 0.7 else ""
        for place, (since, email) in enumerate(contact.emails):
            # whoever changes the address is a new profile to the mailing tool
            moment = min(max(since, contact.moment(self._chance)), END)
            self._profile([person], moment, email, account if place == 0 else "", self._card(cards), person, contact)

    def _profile(
        self, people: list[Person], moment: int, email: str, account: str, card: str, person: Person,
        contact: Contact | None = None,
    ) -> None:  # fmt: skip
        profile_id = f"01K{_digest(f'{email}/{self._unit.index}')[:23].upper()}"
        given, family = self._names(person)
        phone = contact.phone(moment) if contact and self._chance.random() < 0.3 else ""
        self._files.write(
            "klaviyo/profiles",
            {
                "id": profile_id, "type": "profile",
                "attributes": {
                    "email": email, "phone_number": f"+{person.locale.calling_code}{phone}" if phone else None,
                    "external_id": account or None, "first_name": given, "last_name": family,
                    "created": iso(moment), "updated": iso(moment),
                    "location": {"city": person.address.place.latin_city, "country": person.locale.country},
                    "properties": {"loyalty_number": card} if card else {},
                },
            },
        )  # fmt: skip
        self._files.see("klaviyo", f"profiles:{profile_id}", *people)

    def _till(self, person: Person, contact: Contact, card: str) -> None:
        for _ in range(self._chance.randint(1, 3)):
            moment = contact.moment(self._chance)
            self._files.ring_up(self._company.invoice(), moment, card, person.locale.country)
        self._files.see("erp", f"customers:{card}", person)

    def _surf(self, person: Person, contact: Contact, accounts: list[int]) -> None:
        """Visits before the login, the login, and devices on which nobody ever logs in."""
        chance = self._chance
        for account in accounts:
            for place in range(chance.randint(1, 3)):
                cookie = self._company.cookie(person, f"{account}/{place}", chance)
                self._visit(person, contact, cookie, account, own=True)
            if self._tablet and chance.random() < 0.7:
                self._files.note(person, "tablet")
                self._visit(person, contact, self._tablet, account, own=False)
            if chance.random() < 0.05:
                self._files.note(person, "kiosk")
                self._visit(person, contact, self._company.kiosk(), account, own=False)
        if chance.random() < 0.35:
            cookie = self._company.cookie(person, "stranger", chance)
            self._visit(person, contact, cookie, 0, own=True, leaves_email=chance.random() < 0.3)

    def _visit(
        self, person: Person, contact: Contact, cookie: str, account: int, *, own: bool, leaves_email: bool = False
    ) -> None:
        chance = self._chance
        moment = contact.moment(chance)
        # phones hand out an id of the device as well; on its own device somebody is known by both
        device = f"{_uuid(f'device/{cookie}').upper()}" if own and int(cookie[:2], 16) < 40 else ""
        context: dict[str, Any] = {"locale": person.locale.tag}
        if device:
            context["device"] = {"id": device, "type": "ios"}
        self._event("page", moment, cookie, 0, context, {"name": "Home"})
        if account:
            traits = {"email": contact.email(moment)} if own and chance.random() < 0.6 else {}
            self._event("identify", moment + 60, cookie, account, context, {"traits": traits})
            self._files.see("segment", f"user:{account}", person)
        elif leaves_email:
            self._event("identify", moment + 60, cookie, 0, context, {"traits": {"email": contact.email(moment)}})
        self._files.see("segment", f"anonymous:{cookie}", person)

    def _event(
        self, kind: str, moment: int, cookie: str, account: int, context: dict[str, Any], more: dict[str, Any]
    ) -> None:
        self._count += 1
        at = iso_ms(moment, self._count % 1000)
        self._files.write(
            "segment/events",
            {
                "messageId": f"m-{self._unit.index}-{self._count}", "type": kind,
                **({"userId": str(account)} if account else {}), "anonymousId": cookie, "timestamp": at,
                "receivedAt": at, "context": context, **more,
            },
        )  # fmt: skip


def _pick(values: tuple[tuple[str, int], ...], chance: Random) -> str:
    names, weights = zip(*values, strict=True)
    return str(chance.choices(names, weights)[0])


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _uuid(text: str) -> str:
    digits = _digest(text)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def generate(people: int, seed: int, out: Path, progress: Callable[[int], None] | None = None) -> int:
    """Write the sources of `people` people and their truth below `out`; returns the number of records.

    Raises ValueError for more than 100,000 people: there are no more telephone numbers of their own.
    """
    if not 1 <= people <= MOST_PEOPLE:
        raise ValueError(f"people must be from 1 to {MOST_PEOPLE:,}, got {people}")
    files = Files(out)
    company = Company(people, seed, files)
    done = 0
    for unit in units(people, seed + 7_000):
        company.tell(unit)
        done += len(unit.members)
        if progress:
            progress(done)
    company.close()
    return files.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    print(f"{generate(asked.people, asked.seed, asked.out):,} records of {asked.people:,} people in {asked.out}")


if __name__ == "__main__":
    main()
