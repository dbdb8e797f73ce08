"""Next products on the real invoices of a gift shop: hit rate at 10 against popularity and "buys again".

    python benchmarks/recommendations.py [--sample 1000] [--implicit PYTHON]

Reads `../shared/data/online_retail`. The SQL is that of the models, on a DuckDB in memory with one thread. Prints every
figure of the back-test, how large the tables are, processor seconds and peak memory. `--sample`: so many customers.
`--implicit`: the Python of an environment with the package implicit, whose cosine is put beside ours (same lists of new
products).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from recommendations_house import STEPS, VIEWS, complete, judge, model_sql, recommend  # noqa: E402

INVOICES = ROOT.parent / "shared" / "data" / "online_retail" / "*.parquet"

RIVAL = """
import json, sys
import numpy as np
import scipy.sparse as sp
from implicit.nearest_neighbours import CosineRecommender
given = np.load(sys.argv[1])
matrix = sp.csr_matrix((given["values"], (given["people"], given["products"])))
recommender = CosineRecommender(K=20)
recommender.fit(matrix, show_progress=False)
judged = given["judged"]
ids, _ = recommender.recommend(judged, matrix[judged], N=10, filter_already_liked_items=True)
json.dump(ids.tolist(), sys.stdout)
"""


def prepared(sample: int | None) -> duckdb.DuckDBPyConnection:
    """The invoices of known customers as order lines: no cancellations, no postage and other codes without digits."""
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.execute("set TimeZone = 'UTC'")
    chosen = f"where place <= {sample}" if sample else ""
    connection.execute(
        "create table customer_order_lines as"
        " with sold as (select invoice_no as order_id, md5(customer_id::varchar) as customer_id,"
        " upper(stock_code) as product_id, invoice_ts as ordered_at, quantity, rowid_ as line"
        f" from (select *, row_number() over () as rowid_ from '{INVOICES}')"
        " where customer_id is not null and invoice_no not like 'C%' and quantity > 0 and unit_price > 0"
        " and regexp_matches(stock_code, '^[0-9]{5}')),"
        " people as (select customer_id, row_number() over (order by customer_id) as place"
        " from (select distinct customer_id from sold))"
        f" select sold.* exclude (line) from sold join people using (customer_id) {chosen}"
    )
    connection.execute("create table cancellations (order_id varchar, cancelled_at timestamp)")
    complete(connection)
    return connection


def run(sample: int | None = None, **variables: Any) -> dict[str, Any]:
    """Figures of the back-test, sizes and seconds."""
    connection = prepared(sample)
    connection.execute("create table int_customers__as_of as select max(ordered_at) as as_of from customer_order_lines")
    seconds, sizes = {}, {}
    for name in STEPS:
        began = time.process_time()
        kind = "view" if name in VIEWS else "table"
        connection.execute(f"create or replace {kind} {name} as {model_sql(name, **variables)}")
        seconds[name] = time.process_time() - began
        sizes[name] = connection.table(name).count("*").fetchall()[0][0]
    began = time.process_time()
    fit = judge(connection)
    seconds["judge"] = time.process_time() - began
    began = time.process_time()
    recommend(connection, fit)
    seconds["next_products"] = time.process_time() - began
    sizes["next_products"] = connection.table("next_products").count("*").fetchall()[0][0]
    return {"fit": fit, "seconds": seconds, "sizes": sizes, "connection": connection}


def rival(python: str, connection: duckdb.DuckDBPyConnection) -> tuple[float, float]:
    """Hit rate at 10 of new products at cut 1: implicit's cosine, and ours by relatedness alone."""
    rows = connection.sql(
        "select customer_id, product_id from int_predictions__purchases where cut_number = 1 order by all"
    ).fetchall()
    people, products = (sorted({row[place] for row in rows}) for place in (0, 1))
    person_at, product_at = ({each: place for place, each in enumerate(all_)} for all_ in (people, products))
    owned: dict[str, set[str]] = {}
    for person, product in rows:
        owned.setdefault(person, set()).add(product)
    baskets: dict[str, set[str]] = {}
    for person, product in connection.sql(
        "select customer_id, product_id from int_predictions__next_baskets where cut_number = 1"
    ).fetchall():
        if product not in owned[person]:
            baskets.setdefault(person, set()).add(product)
    judged = sorted(baskets)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(
            given,
            values=np.ones(len(rows), dtype=np.float32),
            people=[person_at[person] for person, _ in rows],
            products=[product_at[product] for _, product in rows],
            judged=[person_at[person] for person in judged],
        )
        done = subprocess.run([python, "-c", RIVAL, str(given)], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    their_hits = [bool(baskets[p] & {products[i] for i in ids}) for p, ids in zip(judged, theirs, strict=True)]
    ours: dict[str, set[str]] = {}
    for person, product in connection.sql(
        "select customer_id, product_id from (select *, row_number() over (partition by customer_id"
        " order by x_related desc, product_id) as place from int_predictions__next_product_candidates"
        " where cut_number = 1 and own_place is null) where place <= 10"
    ).fetchall():
        ours.setdefault(person, set()).add(product)
    our_hits = [bool(baskets[person] & ours.get(person, set())) for person in judged]
    return float(np.mean(their_hits)), float(np.mean(our_hits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--implicit")
    arguments = parser.parse_args()
    found = run(arguments.sample)
    fit = found["fit"]
    print(f"published: {fit.is_published}\n{fit.reason}\n")
    for figure in fit.figures:
        other = f"   {figure.naive_value:.4f} ({figure.naive_rule})" if figure.naive_value is not None else ""
        print(f"{figure.metric:38} {figure.value:.4f}{other}")
    print(f"\nweights: {json.dumps({name: round(value, 3) for name, value in fit.parameters.items()})}\n")
    for name, seconds in found["seconds"].items():
        print(f"{name:44} {found['sizes'].get(name, ''):>10} rows {seconds:6.1f} s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{sum(found['seconds'].values()):.1f} s, {memory:.0f} MB at most")
    if arguments.implicit:
        theirs, ours = rival(arguments.implicit, found["connection"])
        print(f"new products by relatedness alone: implicit's cosine {theirs:.4f}, ours {ours:.4f}")


if __name__ == "__main__":
    main()
