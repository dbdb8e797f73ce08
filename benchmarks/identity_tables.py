"""Tables of person records with their truth, made up: a census and a CRM's export.

    python benchmarks/identity_tables.py census --people 3000 --seed 1 --out FOLDER

Writes `<name>.csv` or `<name>.parquet` as somebody would hand it over, and `<name>.truth.parquet` with `record` and
`truth`. The same seed writes the same rows, in an order that says nothing.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.dirt import PLACEHOLDER_PHONES, email_as_typed, names_as_written, phone_as_typed, typo
from demo.people import Person, own_number, units

Row = dict[str, Any]

# Italian given names with what clerks wrote for them
_GIVEN = {
    "Maria": ("M.a", "Mariuccia"), "Giuseppe": ("Gius.e", "Beppe", "Peppino"), "Giovanni": ("Gio.", "Gianni"),
    "Anna": ("Annetta",), "Antonio": ("Ant.o", "Tonino"), "Rosa": ("Rosina",), "Angelo": ("Angiolo",),
    "Teresa": ("Ter.a", "Teresina"), "Francesco": ("Fran.co", "Cecco", "Checco"), "Luigi": ("Gigi", "Luiggi"),
    "Caterina": ("Cat.a", "Catterina", "Rina"), "Domenico": ("Dom.co", "Menico"), "Lucia": ("Lucietta",),
    "Pietro": ("Piero",), "Carlo": ("Carletto",), "Margherita": ("Marg.ta", "Rita"), "Vincenzo": ("Vinc.o", "Enzo"),
    "Carmela": ("Carmelina",), "Salvatore": ("Salv.e", "Totò"), "Elisabetta": ("Elis.a", "Betta", "Lisetta"),
    "Bartolomeo": ("Bart.o", "Meo"), "Concetta": ("Conc.a", "Tina"), "Paolo": ("Paulo",), "Agnese": ("Agnesa",),
    "Giacomo": ("Giac.o", "Jacopo"), "Filomena": ("Mena",), "Gaetano": ("Gaet.o", "Tano"), "Orsola": ("Orsolina",),
    "Raffaele": ("Raff.e", "Raffaello"), "Assunta": ("Assuntina",), "Nicola": ("Nicolò",),
    "Domenica": ("Dom.ca", "Menica"), "Michele": ("Mich.e",), "Santa": ("Santina",),
    "Lorenzo": ("Lor.o", "Renzo"), "Giulia": ("Giulietta",),
    "Battista": ("Batt.a", "Titta"), "Apollonia": ("Polonia",), "Ambrogio": ("Ambr.o",), "Veronica": ("Veron.a",),
}  # fmt: skip
_FAMILY = tuple(
    """
    Rossi Ferrari Russo Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti De·Luca Mancini Costa Giordano Rizzo
    Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara Galli Martini Leone Longo Gentile
    Martinelli Vitale Lombardo Serra Coppola De·Santis D'Angelo Marchetti Parisi Villa Conte Ferraro Ferri Fabbri Bianco
    Marini Grasso Valentini Messina Sala De·Angelis Gatti Pellegrini Palumbo Sanna Farina Rizzi Monti Cattaneo Morelli
    Amato Silvestri Mazza Testa Grassi Pellegrino Carbone Giuliani Benedetti Barone Rossetti Caputo Montanari Guerra
    Palmieri Bernardi Martino Fiore De·Rosa Ferretti Bellini Basile Riva Donati Piras Vitali Battaglia Sartori Neri
    Costantini Milani Pagano Ruggiero Sorrentino D'Amico Orlando Damico Negri Zanetti Brambilla Ghilardi Pezzotta
    Locatelli Rota
    """.split()  # noqa: SIM905
)  # fmt: skip
_PLACES = (
    ("Bergamo", "24121"), ("Treviglio", "24047"), ("Clusone", "24023"), ("Lovere", "24065"), ("Alzano", "24022"),
    ("Nembro", "24027"), ("Romano di Lombardia", "24058"), ("Sarnico", "24067"), ("Zogno", "24019"),
)  # fmt: skip
_STREETS = (
    "via Roma", "via Garibaldi", "via Mazzini", "piazza del Duomo", "contrada San Rocco", "via dei Mulini",
    "vicolo Stretto", "via Cavour", "strada per il Monte", "cascina Bella", "via Pignolo", "borgo Palazzo",
)  # fmt: skip
_TRADES = (
    "contadino", "tessitrice", "muratore", "sarta", "fabbro", "domestica", "oste", "filatrice", "carrettiere",
    "maestro", "levatrice", "mugnaio", "calzolaio", "falegname",
)  # fmt: skip

CENSUS = ("scheda", "nome", "cognome", "data_nascita", "comune", "indirizzo", "cap", "mestiere", "luogo_nascita")


def census(people: int, seed: int) -> Iterator[tuple[Row, str]]:
    """Rows of a town's censuses and registers, and whose they are; 1 to 20 rows a person, on average 4.

    Neither e-mail nor phone; dates as `24.06.1871`; families with one name and one address, children named after their
    parents, twins, women under two names, moves, abbreviations, day and month exchanged, letters misread.
    """
    givens: list[str] = []
    births: list[tuple[int, int, int]] = []
    for index in range(people):
        chance = Random(f"{seed}/census/{index}")
        house = Random(f"{seed}/house/{index // 4}")
        family, street, place = _usual(_FAMILY, house), _lives(house), house.choice(_PLACES)
        is_child = index % 4 > 1
        given = _usual(tuple(_GIVEN), chance)
        if is_child and chance.random() < 0.08:
            given = givens[index - 2]
        born = (
            house.randint(1830, 1880) + is_child * 26 + chance.randint(0, 6),
            chance.randint(1, 12),
            chance.randint(1, 28),
        )
        if index % 4 == 3 and chance.random() < 0.15:
            born = births[index - 1]
        givens.append(given)
        births.append(born)
        married = _usual(_FAMILY, chance) if chance.random() < 0.1 else family
        birthplace, trade = house.choice(_PLACES)[0], chance.choice(_TRADES)
        for _ in range(min(20, 1 + int(chance.expovariate(1 / 3.2)))):
            if chance.random() < 0.08:
                street, place = _lives(chance), chance.choice(_PLACES)
            if chance.random() < 0.06:
                trade = chance.choice(_TRADES)
            row = {
                "nome": _misread(chance.choice(_GIVEN[given]) if chance.random() < 0.18 else given, chance),
                "cognome": _misread(married if chance.random() < 0.5 else family, chance),
                "data_nascita": _date(born, chance),
                "comune": place[0], "indirizzo": _misread(street, chance), "cap": place[1],
                "mestiere": trade, "luogo_nascita": birthplace,
            }  # fmt: skip
            for column, share in (("nome", 0.02), ("cognome", 0.02), ("data_nascita", 0.12), ("indirizzo", 0.2),
                                  ("cap", 0.3), ("mestiere", 0.25), ("luogo_nascita", 0.15)):  # fmt: skip
                if chance.random() < share:
                    row[column] = ""
            if chance.random() < 0.015:
                row["nome"], row["cognome"] = row["cognome"], row["nome"]
            yield row, f"c{index}"


def _usual(names: tuple[str, ...], chance: Random) -> str:
    """A name of the list: the first are the most common, as names are."""
    return chance.choices(names, [1 / (place + 3) for place in range(len(names))])[0].replace("·", " ")


def _lives(chance: Random) -> str:
    return f"{chance.choice(_STREETS)} {chance.randint(1, 90)}"


def _date(born: tuple[int, int, int], chance: Random) -> str:
    year, month, day = born
    roll = chance.random()
    if roll < 0.03 and day <= 12:
        day, month = month, day
    elif roll < 0.08:
        year += chance.choice((-10, -2, -1, 1, 2, 10))
    elif roll < 0.11:
        day = min(28, max(1, day + chance.choice((-1, 1, 10))))
    return f"{day:02d}.{month:02d}.{year}"


def _misread(text: str, chance: Random) -> str:
    if chance.random() < 0.05:
        return typo(text, chance)
    if chance.random() < 0.04:
        old, new = chance.choice(
            (("nn", "n"), ("tt", "t"), ("ll", "l"), ("u", "n"), ("e", "c"), ("ri", "n"), ("o", "a"))
        )
        return text.replace(old, new, 1)
    return text.upper() if chance.random() < 0.03 else text


CRM = (
    "Record No",
    "Customer Name",
    "E-Mail",
    "Telephone",
    "Street Address",
    "Town",
    "ZIP",
    "Country",
    "Birthday",
    "Segment",
)


def crm(people: int, seed: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of a CRM's export and whose they are; 1 to 6 rows a person, seven countries, names in their own scripts.

    Full names in one field; half have an e-mail, half a phone, one in ten a birthday; families share mailboxes,
    landlines and addresses; placeholders, second addresses, changed numbers.
    """
    for unit in units(people, seed + 9_000):
        for person in unit.members:
            chance = Random(f"{seed}/crm/{person.index}")
            for _ in range(min(6, 1 + int(chance.expovariate(1 / 1.4)))):
                yield _crm_row(person, unit.shared_mailbox, unit.landline, chance), person.person_id


def _crm_row(person: Person, mailbox: str, landline: str, chance: Random) -> dict[str, Any]:
    given, family = names_as_written(person, chance)
    email = person.second_email if chance.random() < 0.12 else person.email
    email = mailbox if mailbox and chance.random() < 0.25 else email_as_typed(email, chance)
    mobile = own_number(person.index + (5_000_000 if chance.random() < 0.08 else 0), person.locale)
    phone = phone_as_typed(person.locale, landline if landline and chance.random() < 0.3 else mobile, chance)
    if chance.random() < 0.03:
        phone = chance.choice(PLACEHOLDER_PHONES)
    if chance.random() < 0.02:
        email = "nomail@crm.example"
    home = chance.random() < 0.6
    return {
        "Customer Name": f"{family}, {given}" if chance.random() < 0.1 else f"{given} {family}",
        "E-Mail": email if chance.random() < 0.55 else None,
        "Telephone": phone if chance.random() < 0.5 else None,
        "Street Address": person.address.street if home else None,
        "Town": chance.choice((person.address.place.city, person.address.place.latin_city)) if home else None,
        "ZIP": person.address.postal_code if home and chance.random() < 0.9 else None,
        "Country": person.locale.country,
        "Birthday": person.born if chance.random() < 0.1 else None,
        "Segment": chance.choice(("A", "B", "C", None)),
    }


def write(name: str, people: int, seed: int, out: Path) -> tuple[Path, Path]:
    """Write the table `name` (census: CSV; crm: Parquet) and its truth; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    columns, rows = {"census": (CENSUS, census), "crm": (CRM, crm)}[name]
    told = list(rows(people, seed))
    Random(f"{seed}/order").shuffle(told)
    # numbered in an order that says nothing about who is whom
    table = [{columns[0]: f"R{number:06d}", **row} for number, (row, _) in enumerate(told)]
    path = out / f"{name}.{'csv' if name == 'census' else 'parquet'}"
    if name == "census":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(table)
    else:
        pq.write_table(pa.Table.from_pylist(table), path)
    truth = out / f"{name}.truth.parquet"
    records, people_of = [row[columns[0]] for row in table], [person for _, person in told]
    pq.write_table(pa.table({"record": records, "truth": people_of}), truth)
    return path, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("census", "crm"))
    parser.add_argument("--people", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    print(*write(asked.table, asked.people, asked.seed, asked.out))


if __name__ == "__main__":
    main()
