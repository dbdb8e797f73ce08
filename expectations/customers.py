"""Before segments are drawn: are these people still the people, and is what happened to them believable?"""

import os
from typing import TYPE_CHECKING

import duckdb

from expectations.suites import Baseline, Suite, expect

if TYPE_CHECKING:
    import pandas as pd

TABLES = (
    "customers.customers",
    "customers.customer_orders",
    "customers.customer_events",
    "customers.customer_consents",
)

MAX_FALL = 0.5  # of people, orders or events, against the last build that passed
MAX_WITHOUT_EMAIL_SHARE = 0.9  # anonymous visitors are people too: most sites know few of theirs by name
MAX_FUTURE_SHARE = 0.001

# Above this many people the column suite sees a sample; what must hold for everyone is counted in `measures`.
LARGEST_FRAME = 5_000_000

_MEASURES = """
    with people as (select customer_id from customers.customers)
    select
        'customers.customers' as asset,
        count(*)::bigint as "rows",
        (count(*) - count(distinct customer_id))::bigint as keys_missing_or_double,
        0::bigint as orphans,
        (count(*) > (select count(*) from identity.identity_graph))::int as more_people_than_records,
        coalesce(avg((email is null)::int), 0) as without_email_share,
        coalesce(avg((first_seen_at > now()::timestamp)::int), 0) as future_share,
        0::bigint as currencies_unknown
    from customers.customers
    union all
    select
        'customers.customer_orders', count(*), count(*) - count(distinct order_id),
        count(*) filter (where customer_id is null or customer_id not in (from people)), 0, 0,
        coalesce(avg((ordered_at > now()::timestamp)::int), 0),
        count(*) filter (where currency is null or not regexp_full_match(currency, '[A-Z]{3}'))
    from customers.customer_orders
    union all
    select
        'customers.customer_events', count(*), 0,
        count(*) filter (where customer_id is null or customer_id not in (from people)), 0, 0,
        coalesce(avg((occurred_at > now()::timestamp)::int), 0), 0
    from customers.customer_events
    union all
    select
        'customers.customer_consents', count(*), 0,
        count(*) filter (where customer_id is null or customer_id not in (from people)), 0, 0,
        coalesce(avg((captured_at > now()::timestamp)::int), 0), 0
    from customers.customer_consents
"""


def accepts_change() -> bool:
    """Whether the user has said that this run's fall in numbers is right (`kinship run --accept-change`)."""
    return os.environ.get("KINSHIP_ACCEPT_CHANGE", "") == "1"


def measures(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """One row per table people query: how much there is, and what is wrong with it, in counts and shares."""
    frame = connection.sql(_MEASURES).df()
    frame["fell"] = [
        not accepts_change() and rows < (1 - MAX_FALL) * baseline.get(asset, {}).get("rows", 0)
        for asset, rows in zip(frame["asset"], frame["rows"], strict=True)
    ]
    return frame


EXPECTATIONS = (
    # What must hold for every table people query.
    expect(
        "values_to_be_in_set", "keys_missing_or_double", "every row has a key of its own", critical=True, value_set=[0]
    ),
    expect("values_to_be_in_set", "orphans", "every row belongs to a customer", critical=True, value_set=[0]),
    expect(
        "values_to_be_in_set",
        "more_people_than_records",
        "there are no more people than records",
        critical=True,
        value_set=[0],
    ),
    expect(
        "values_to_be_in_set",
        "fell",
        f"at least {1 - MAX_FALL:.0%} of the rows of the last good build are still there",
        critical=True,
        value_set=[False],
    ),
    expect(
        "values_to_be_between",
        "without_email_share",
        f"at most {MAX_WITHOUT_EMAIL_SHARE:.0%} of the people have no e-mail address",
        max_value=MAX_WITHOUT_EMAIL_SHARE,
    ),
    expect(
        "values_to_be_between",
        "future_share",
        f"at most {MAX_FUTURE_SHARE:.1%} of the rows lie in the future",
        max_value=MAX_FUTURE_SHARE,
    ),
    expect("values_to_be_in_set", "currencies_unknown", "every amount has a currency code (ISO 4217)", value_set=[0]),
)


def profiles(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """The columns of `customers.customers` whose values have a form; no more of a person is read than that."""
    frame = connection.sql(
        f"""
        select
            customer_id, email, phone, country_code, record_count, order_count,
            date_diff('year', birth_date, current_date) as age
        from customers.customers
        using sample {LARGEST_FRAME} rows
        """  # noqa: S608
    ).df()
    return frame


PROFILE_EXPECTATIONS = (
    # What a profile looks like.
    expect("values_to_not_be_null", "customer_id", "customer_id is there", critical=True),
    expect("values_to_be_unique", "customer_id", "customer_id is unique", critical=True),
    expect("values_to_be_between", "record_count", "a person is made of records", critical=True, min_value=1),
    expect(
        "values_to_match_regex",
        "email",
        "e-mail addresses look like e-mail addresses",
        regex=r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
        mostly=0.99,
    ),
    expect(
        "values_to_match_regex",
        "phone",
        "phone numbers have six digits at least",
        regex=r"(\D*\d){6,}",
        mostly=0.99,
    ),
    expect(
        "values_to_match_regex",
        "country_code",
        "countries are two-letter codes (ISO 3166)",
        regex=r"^[A-Z]{2}$",
        mostly=0.99,
    ),
    expect(
        "values_to_be_between",
        "age",
        "birth dates make people between 0 and 120 years old",
        min_value=0,
        max_value=120,
        mostly=0.99,
    ),
    expect("values_to_be_between", "order_count", "nobody has a negative number of orders", min_value=0),
)


SUITES = [
    Suite("customers", measures, EXPECTATIONS),
    Suite("profiles", profiles, PROFILE_EXPECTATIONS, asset="customers.customers"),
]
