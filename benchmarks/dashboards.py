"""The customer page over a million customers: seconds to the first page, to a search and to a profile.

    python benchmarks/dashboards.py [CUSTOMERS] --template DATA [--folder FOLDER] [--visits 5]

A publication is made up: CUSTOMERS people (default 1,000,000) with three records, four identifiers, six attributes,
twelve events, two orders of two lines, and evidence between their records, in the order publishing writes them, with
its index. The page runs as in a browser session (Streamlit's AppTest: the script and all its queries, no drawing);
beside it the bare look-ups and point queries that it consists of. Every visit is to another person, so nothing is kept.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from kinship.checks import Checks
from kinship.published.publication import POINTER, Publication, write_record
from kinship.published.reader import open_publication
from kinship.published.search import add_search
from kinship.settings import ROOT, settings

# tests open pages without a browser; this script's own folder would hide packages of the same names
sys.path[0] = str(ROOT / "tests")

ID = "id"
STAMP = "timestamp '2026-01-01' + to_seconds(hash({n}) % 15000000)"

# by table: rows per customer, and the columns that are more than NULL; `n` is the customer, `k` the row's number there
MADE: dict[str, tuple[int, dict[str, str]]] = {
    "customers.customers": (1, {
        "full_name": "first || ' ' || last", "first_name": "first", "last_name": "last",
        "email": "'person' || n || '@example.com'", "phone": "'+3598' || lpad(n::varchar, 8, '0')", "city": "'Sofia'",
        "lifecycle_stage": "'active'", "record_count": "3", "source_count": "3", "order_count": "2",
        "revenue_eur": "100", "ticket_count": "0", "open_ticket_count": "0",
        "first_seen_at": STAMP, "last_event_at": STAMP, "last_order_at": STAMP,
    }),
    "customers.customer_attribute_sources": (6, {
        "attribute": "'attribute_' || k", "value": "'value ' || hash(n)", "source": "'shopify'",
        "record_id": "'customers:' || n", "rule": "'most_recent'", "candidate_count": "2", "observed_at": STAMP,
    }),
    "customers.customer_attribute_candidates": (4, {
        "attribute": "['email', 'phone', 'first_name', 'last_name'][1 + k]", "candidate_rank": "1",
        "value": "['person' || n || '@example.com', '+3598' || lpad(n::varchar, 8, '0'), first, last][1 + k]",
        "outcome": "'won'", "source": "'shopify'", "record_id": "'customers:' || n",
    }),
    "customers.customer_identifiers": (4, {
        "identifier_type": "['email', 'phone', 'shopify_customer_id', 'anonymous_id'][1 + k]",
        "identifier_value": "['person' || n || '@example.com', '+3598' || lpad(n::varchar, 8, '0'),"
        " (7000000000 + n)::varchar, md5('a' || n)][1 + k]", "record_count": "1", "first_seen_at": STAMP,
    }),
    "customers.customer_events": (12, {
        "event_id": "n || '-' || k", "source": "'segment'", "record_id": "'anonymous:' || md5('a' || n)",
        "event_type": "['page_viewed', 'product_viewed', 'email_opened'][1 + k % 3]",
        "channel": "['web', 'web', 'email'][1 + k % 3]", "detail": "'Page ' || k", "page_path": "'/products/' || k",
        "occurred_at": STAMP,
    }),
    "customers.customer_orders": (2, {
        "order_id": "'shopify:' || (n * 10 + k)", "order_number": "'#' || (n * 10 + k)", "source": "'shopify'",
        "record_id": "'customers:' || n", "status": "'paid'", "channel": "'web'", "currency": "'EUR'",
        "item_count": "2", "gross_amount": "50", "net_amount": "50", "net_amount_eur": "50",
        "discount_amount": "0", "refunded_amount": "0", "cancelled_amount": "0", "ordered_at": STAMP,
    }),
    "customers.customer_order_lines": (4, {
        "order_line_id": "'l' || (n * 10 + k)", "order_id": "'shopify:' || (n * 10 + k % 2)", "quantity": "1",
        "product_name": "'Product ' || k", "unit_price": "25", "net_amount": "25", "currency": "'EUR'",
    }),
    "customers.customer_consents": (2, {"purpose": "'marketing'", "channel": "['email', 'sms'][1 + k]"}),
    "identity.identity_redirects": (1, {
        "current_customer_id": ID, "is_current": "true", "customer_since": STAMP, "issued_at": STAMP,
    }),
    "identity.identity_graph": (3, {
        "source": "['shopify', 'segment', 'klaviyo'][1 + k]",
        "record_id": "['customers:', 'anonymous:', 'profiles:'][1 + k] || n", "since": STAMP, "confidence": "1",
    }),
    "identity.identity_explanations": (3, {
        "source": "['shopify', 'segment', 'klaviyo'][1 + k]",
        "record_id": "['customers:', 'anonymous:', 'profiles:'][1 + k] || n", "rule": "'email'",
        "other_source": "'shopify'", "other_record_id": "'customers:' || n", "weight": "20", "evidence_count": "1",
    }),
    "identity.identity_edges": (2, {
        "edge_id": "n || '-' || k", "left_source": "'shopify'", "left_record_id": "'customers:' || n",
        "right_source": "['segment', 'klaviyo'][1 + k]", "right_record_id": "['anonymous:', 'profiles:'][1 + k] || n",
        "rule": "'email'", "level": "'strict'", "weight": "20", "is_admitted": "true", "first_seen_at": STAMP,
    }),
    "identity.identity_health": (1, {"grade": "'A'", "record_count": "3", "source_count": "3"}),
    "segments.segment_memberships": (2, {"segment": "'segment_' || k", "entered_at": STAMP}),
}  # fmt: skip


def publication(template: Publication, customers: int, data: Path) -> Publication:
    """Make a publication up, with the tables of a real one."""
    folder = data / "published" / "made-up"
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.execute(f"attach '{template.warehouse}' as template (read_only)")
        connection.execute(f"attach '{folder}/warehouse.duckdb' as made (storage_version 'v1.4.0')")
        connection.execute(
            f"""
            create table people as
            select range as n, md5(range::varchar) as id, 'First' || hash(range) % 2000 as first,
                'Last' || hash(range + 1) % 50000 as last
            from range({customers}) order by id
            """
        )
        rows = {}
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'template'"
        ).fetchall():
            connection.execute(f"create schema if not exists made.{schema}")
            connection.execute(f"create table made.{schema}.{table} as from template.{schema}.{table} limit 0")
            count, columns = MADE.get(f"{schema}.{table}", (0, {}))
            if count:
                names = ", ".join(["customer_id", *columns] if table != "identity_edges" else columns)
                values = ", ".join([ID, *columns.values()] if table != "identity_edges" else columns.values()).format(
                    n="n"
                )
                # people lie in order already: nothing this wide has to be sorted
                connection.execute(
                    f"""
                    insert into made.{schema}.{table} ({names})
                    select {values} from (select *, unnest(range({count})) as k from people)
                    """
                )
            rows[f"{schema}.{table}"] = customers * count
        started = time.monotonic()
        add_search(connection, "made")
        print(f"the index for search: {time.monotonic() - started:.1f} s", flush=True)
        connection.execute("detach made; detach template")
    # masking is measured elsewhere: what is looked up and how it lies is the same
    os.link(folder / "warehouse.duckdb", folder / "masked.duckdb")
    made = template.model_copy(update={"run": "made-up", "folder": folder, "rows": rows, "checks": Checks()})
    write_record(made.model_copy(update={"as_of": datetime(2026, 7, 1, tzinfo=UTC)}), data / "published" / POINTER)
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("customers", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--template", type=Path, required=True, help="a data folder with something published")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--visits", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        os.environ["KINSHIP_DATA"] = str(arguments.template)
        from kinship.published.publication import current

        template = current(settings())
        started = time.monotonic()
        made = publication(template, arguments.customers, Path(folder))
        os.environ["KINSHIP_DATA"] = folder
        os.environ["KINSHIP_DEBUG"] = "1"  # a page that fails is not a fast one
        size = made.warehouse.stat().st_size / 1e9
        print(f"{arguments.customers:,} customers, {sum(made.rows.values()):,} rows, {size:.1f} GB,"
              f" made in {time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
        measure(made, arguments.customers, arguments.visits)


def measure(made: Publication, customers: int, visits: int) -> None:
    """Time the page and its queries."""
    from dashboards_house import open_page

    people = [hash_of % customers for hash_of in range(7919, 7919 * (visits + 1), 7919)]

    def page(text: Callable[[int], str], tab: str) -> Callable[[int], object]:
        return lambda n: open_page("customer", q=text(n), tab=tab)

    timed("first page, nothing asked", page(lambda _: "", "Profile"), people[:1])
    timed("search by e-mail, profile", page(lambda n: f"person{n}@example.com", "Profile"), people)
    timed("search by order number, orders", page(lambda n: f"#{n * 10}", "Orders"), people)
    timed("search by phone, timeline", page(lambda n: f"08{n:08d}", "Timeline"), people)
    timed("identity", page(lambda n: f"shopify:customers:{n}", "Identity"), people)
    timed("search by family name, list", page(lambda n: f"Last{n % 50000}", "Profile"), people)
    with open_publication(made, masked=False) as bare:
        for name, sql, text in (
            ("bare: term", "select customer_id from search.terms where term = ?", "person{n}@example.com"),
            ("bare: person", "select * from customers.customers where customer_id = md5(?)", "{n}"),
            ("bare: events", "select * from customers.customer_events where customer_id = md5(?)", "{n}"),
            ("bare: evidence", "select * from identity.identity_edges where left_record_id = ?", "customers:{n}"),
        ):
            timed(name, lambda n, sql=sql, text=text: bare.execute(sql, [text.format(n=n)]).df(), people)  # type: ignore[misc]


def timed(name: str, do: Callable[[int], object], people: list[int]) -> None:
    """Do a thing for each of some people, and print the median and the slowest."""
    seconds = []
    for n in people:
        started = time.monotonic()
        do(n)
        seconds.append(time.monotonic() - started)
    print(f"{name:34} {statistics.median(seconds):8.3f} s, slowest {max(seconds):.3f} s", flush=True)


if __name__ == "__main__":
    main()
