"""Before anyone acts on a prediction: is it one, of somebody known, and of a model that was published?"""

from typing import TYPE_CHECKING

import duckdb

from expectations.suites import Baseline, Suite, expect

if TYPE_CHECKING:
    import pandas as pd

# the tables of predictions about people, and in each the probability or the number that cannot be negative
_PROBABILITIES = {"churn": "churn_probability", "campaign_propensity": "response_probability"}
_AMOUNTS = {
    "expected_value": "least(expected_orders_12_months, expected_order_value_eur, expected_value_12_months_eur)"
}

TABLES = tuple(f"predictions.{table}" for table in (*_AMOUNTS, *_PROBABILITIES))


def _counted(table: str, impossible: str) -> str:
    return f"""
        select
            'predictions.{table}' as asset,
            count(*)::bigint as "rows",
            count(*) filter (where ({impossible}) is not false)::bigint as impossible,
            count(*) filter (where customer_id is null
                or customer_id not in (select customer_id from customers.customers))::bigint as strangers,
            count(*) filter (where model_version not in (
                select model_version from predictions.model_runs where model = '{table}' and is_published
            ))::bigint as unpublished
        from predictions.{table}
    """  # noqa: S608


_MEASURES = " union all ".join(
    [
        *(_counted(table, f"not coalesce({amount} >= 0, false)") for table, amount in _AMOUNTS.items()),
        *(_counted(table, f"not coalesce({p} between 0 and 1, false)") for table, p in _PROBABILITIES.items()),
    ]
)


def measures(connection: duckdb.DuckDBPyConnection, _baseline: Baseline) -> "pd.DataFrame":
    """One row per table: how much there is, and what is wrong with it, in counts."""
    return connection.sql(_MEASURES).df()


EXPECTATIONS = (
    expect(
        "values_to_be_in_set",
        "impossible",
        "probabilities lie between 0 and 1, and nothing expected is negative",
        critical=True,
        value_set=[0],
    ),
    expect("values_to_be_in_set", "strangers", "everything predicted is of a customer", critical=True, value_set=[0]),
    expect(
        "values_to_be_in_set",
        "unpublished",
        "nothing is said by a model that is not published",
        critical=True,
        value_set=[0],
    ),
)

SUITES = [Suite("predictions", measures, EXPECTATIONS)]
