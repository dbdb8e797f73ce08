"""Does weak likeness percolate? A company of namesakes: names, places and streets from pools so small that everybody
is a little like somebody else, as in a company of millions.

    python benchmarks/identity_dense.py [--people 5000] [--days 60] [--keep FOLDER]

Prints how accurate identity is there, as `identity.py` does, then the components it was solved in: their number, the
largest, the records that a change of one record has looked at again on average, the links within components and the
share of them that was refused.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import identity

from demo import people
from demo.company import simulate
from demo.locales import LOCALES, Locale

COUNTRIES = ("GB", "DE")


def shrunk(locale: Locale) -> Locale:
    """The country with 8 given and 15 family names, 2 towns of 21 postcodes at most, 6 streets."""
    places = tuple(
        replace(place, postal_codes=(place.postal_codes[0], min(place.postal_codes[1], place.postal_codes[0] + 20)))
        for place in locale.places[:2]
    )
    return replace(
        locale, women=locale.women[:4], men=locale.men[:4], roots=locale.roots[:5], endings=locale.endings[:3],
        places=places, streets=locale.streets[:6],
    )  # fmt: skip


def write(count: int, days: int, folder: Path) -> None:
    """The sources of such a company, and its truth, below `folder`."""
    pools = vars(people)  # the company draws its people from the names of this module
    known = {name: pools[name] for name in ("LOCALES", "WEIGHTS")}
    chosen = tuple(shrunk(locale) for locale in LOCALES if locale.country_code in COUNTRIES)
    pools.update(LOCALES=chosen, WEIGHTS=tuple(locale.weight for locale in chosen))
    try:
        simulate(count, days, 1, folder / "sources")
    finally:
        pools.update(known)


COMPONENTS = """
    with links as (
        select ends.component_id = others.component_id as is_within, refusals.reason is not null as is_refused
        from warehouse.identity.int_identity__evidence as evidence
        inner join warehouse.identity.int_identity__components as ends on evidence.left_id = ends.node_id
        inner join warehouse.identity.int_identity__components as others on evidence.right_id = others.node_id
        left join warehouse.identity.int_identity__refusals as refusals using (evidence_id)
        where kind = 'link' and is_current
    ),
    sizes as (select count(*) as n from warehouse.identity.int_identity__components group by component_id)
    select
        (select count(*) from sizes), (select max(n) from sizes), (select sum(n * n) / sum(n) from sizes),
        count(*) filter (is_within), count(*) filter (is_within and is_refused) / count(*) filter (is_within)
    from links"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="keep all files in this folder")
    given = parser.parse_args()
    asked, _ = identity.arguments(["--contenders", "kinship"])
    with tempfile.TemporaryDirectory(prefix="kinship-dense-") as scratch:
        folder = (given.keep or Path(scratch)).resolve()
        write(given.people, given.days, folder)
        print(identity.HEADING)
        for row in identity.bench_company(f"dense {given.people:,}", folder, None, asked):
            print(row.text(), flush=True)
        with duckdb.connect() as connection:
            connection.execute(f"attach '{folder / 'warehouse.duckdb'}' as warehouse (read_only)")
            count, largest, looked_at, within, refused = connection.execute(COMPONENTS).fetchall()[0]
    print(f"{count:,} components, the largest of {largest:,} records, {looked_at:,.0f} on average around a record")
    print(f"{within:,} links within components, {refused:.1%} refused")


if __name__ == "__main__":
    main()
