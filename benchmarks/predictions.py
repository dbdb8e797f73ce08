"""Predictions on real invoices, and how long a fit takes.

    python benchmarks/predictions.py [--customers 1000000]

Part one takes the real invoices of `../shared/data/online_retail` (a year of a British gift shop), looks from the 1st
of September 2010 and predicts orders and value of the held-out quarter to the 30th of November, with error and bias
beside the naive rule's; and says what the pipeline would have published then and at the year's end.

Part two simulates customers of three years with about three orders each and measures, in a process of its own each:
fitting BG/NBD and Gamma-Gamma and working out everyone's expectation, in seconds of the processor and peak memory;
beside `lifetimes` when it is installed, else beside a bound: one pass of the same likelihood over every customer,
times the passes the fit took, which is what a fit without collapsing has to pay at the least.
"""

import argparse
import resource
import subprocess
import sys
import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from predictions_house import house, look, rows_of  # noqa: E402

from kinship.predictions import backtest, bg_nbd, expected_value, gamma_gamma  # noqa: E402

INVOICES = ROOT.parent / "shared" / "data" / "online_retail" / "online_retail_2009_12_to_2010_11.parquet"


def shop(invoices: Path) -> "duckdb.DuckDBPyConnection":  # noqa: F821
    """The invoices as orders and refunds, cleaned as staging does it; amounts in pounds."""
    connection = house()
    connection.execute(
        f"create table lines as from '{invoices}' where customer_id is not null and unit_price > 0 and quantity <> 0"
    )
    connection.execute(
        "insert into customer_orders select invoice_no, md5(customer_id::varchar), 'paid', sum(quantity * unit_price),"
        " min(invoice_ts), null from lines where invoice_no not like 'C%' and quantity > 0 group by 1, 2"
    )
    connection.execute(
        "insert into customer_refunds select invoice_no, null, md5(customer_id::varchar), sum(-quantity * unit_price),"
        " min(invoice_ts) from lines where invoice_no like 'C%' group by 1, 3"
    )
    return connection


def held_out_quarter(invoices: Path) -> dict[str, float]:
    """Prediction of the last quarter from what was known at its beginning: sums, errors and biases."""
    with shop(invoices) as connection:
        connection.execute(
            "create table int_predictions__moments as select 'expected_value' as model, 1 as cut_number,"
            " timestamp '2010-08-31 23:59:59' as moment, 91 as horizon_days"
        )
        from predictions_house import model_sql

        for name in ("order_features", "order_outcomes"):
            table = f"int_predictions__{name}"
            connection.execute(f"create table {table} as {model_sql(table)}")
        moment, features, outcomes = (
            rows_of(connection, f"int_predictions__{name}", "expected_value")
            for name in ("moments", "order_features", "order_outcomes")
        )
    test = expected_value._tested(moment.to_pylist()[0], features, outcomes)
    assert isinstance(test, expected_value.Test), test
    found = {"buyers": float(len(test.buyers.ids))}
    for name, (actual, predicted, naive) in test.compared.items():
        found |= {f"{name}_actual": actual.sum(), f"{name}_predicted": predicted.sum(), f"{name}_naive": naive.sum()}
        for measure in (backtest.bias, backtest.mae, backtest.rmse, backtest.gini):
            found[f"{name}_{measure.__name__}"] = measure(actual, predicted)
            found[f"{name}_{measure.__name__}_naive"] = measure(actual, naive)
    return found


def published_at(invoices: Path, as_of: datetime) -> str:
    """What the pipeline would have said."""
    with shop(invoices) as connection:
        look(connection, as_of)
        fit = expected_value.fit(
            *(
                rows_of(connection, f"int_predictions__{name}", "expected_value")
                for name in ("moments", "order_features", "order_outcomes")
            )
        )
    return f"{'published' if fit.is_published else 'not published'}: {fit.reason}"


def simulated(customers: int) -> tuple[np.ndarray, ...]:
    """Frequency, recency and age in days, and mean value, of customers of three years; about three orders each."""
    random = np.random.default_rng(1)
    age = random.integers(0, 1095, customers)
    rate, leaves = random.gamma(0.8, 1 / 120, customers), random.beta(0.8, 3.0, customers)
    at, frequency, recency = np.zeros(customers), np.zeros(customers, int), np.zeros(customers, int)
    there = np.ones(customers, bool)
    while there.any():
        at = at + random.exponential(1, customers) / np.maximum(rate, 1e-9)
        there &= at < age
        frequency[there] += 1
        recency[there] = np.minimum(at[there].astype(int), age[there])
        there &= random.uniform(size=customers) >= leaves
    value = random.gamma(6 * (frequency + 1), 1 / (random.gamma(4, 1 / 15, customers) * (frequency + 1)))
    return frequency, recency, age, value


def ours(customers: int) -> None:
    frequency, recency, age, value = simulated(customers)
    print(f"{customers:,} customers, {int(frequency.sum()) + customers:,} orders")
    passes = 0
    counted = bg_nbd._loss

    def loss(logs, histories, *rest):  # type: ignore[no-untyped-def]
        nonlocal passes
        passes += len(histories.buyers) / different
        return counted(logs, histories, *rest)

    started = time.process_time()
    histories = bg_nbd.collapse(frequency, recency, age)
    different = len(histories.buyers)
    bg_nbd._loss = loss
    model = bg_nbd.fit(histories)
    bg_nbd._loss = counted
    fitted = time.process_time()
    spending = gamma_gamma.fit(frequency + 1.0, value)
    spent = time.process_time()
    orders = bg_nbd.expected_orders(model, frequency + 0.0, recency + 0.0, age + 0.0, 365)
    worth = gamma_gamma.expected_value(spending, frequency + 1.0, value)
    ended = time.process_time()
    print(f"different histories {different:,}; {model}; {spending}; {float(np.sum(orders * worth)):,.0f} expected")
    print(
        f"BG/NBD {fitted - started:.1f} s, Gamma-Gamma {spent - fitted:.1f} s, expectations {ended - spent:.1f} s,"
        f" peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    )
    if find_spec("lifetimes") is None:
        everyone = bg_nbd.Histories(frequency + 0.0, recency / 7, age / 7, np.ones(customers))
        started = time.process_time()
        counted(
            np.log([model.r, model.alpha, model.a, model.b]),
            everyone,
            *np.unique(everyone.frequency, return_inverse=True),
        )
        once = time.process_time() - started
        print(f"bound without collapsing: {passes:.0f} passes of {once:.2f} s = {passes * once:.1f} s (BG/NBD alone)")


def theirs(customers: int) -> None:
    from lifetimes import BetaGeoFitter  # type: ignore[import-not-found]

    frequency, recency, age, _ = simulated(customers)
    started = time.process_time()
    model = BetaGeoFitter().fit(frequency, recency / 7, age / 7)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"lifetimes: BG/NBD {time.process_time() - started:.1f} s, peak memory {peak:.2f} GB; {dict(model.params_)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--part", choices=["ours", "theirs"], help="one measurement, in this process")
    arguments = parser.parse_args()
    if arguments.part:
        {"ours": ours, "theirs": theirs}[arguments.part](arguments.customers)
        return
    if INVOICES.exists():
        print("held-out quarter, 2010-09-01 to 2010-11-30:")
        for name, value in held_out_quarter(INVOICES).items():
            print(f"  {name:24} {value:14,.3f}")
        for as_of in (datetime(2010, 9, 1), datetime(2010, 12, 1)):
            print(f"looked from {as_of:%Y-%m-%d}: {published_at(INVOICES, as_of)}")
    else:
        print(f"no invoices at {INVOICES}: part one is left out")
    for part in ("ours", *(["theirs"] if find_spec("lifetimes") else [])):
        subprocess.run([sys.executable, __file__, "--part", part, "--customers", str(arguments.customers)], check=True)


if __name__ == "__main__":
    main()
