"""Before segments are drawn: are these people still the people, and is what happened to them believable?"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from expectations.suites import Baseline, Suite

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

TABLES = (
    "customers.customers",
    "customers.customer_orders",
    "customers.customer_events",
    "customers.customer_consents",
)

MAX_FALL = 0.5  # of people, orders or events, against the last build that passed
MAX_WITHOUT_EMAIL_SHARE = 0.9  # anonymous visitors are people too: most sites know few of theirs by name
MAX_FUTURE_SHARE = 0.001

# Above this many people the column suite looks at a sample; what must hold for everyone is counted by SQL in `measures`.
LARGEST_FRAME = 5_000_000

_MEASURES = """
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
        count(*) filter (where customer_id is null or customer_id not in (select customer_id from customers.customers)), 0, 0,
        coalesce(avg((ordered_at > now()::timestamp)::int), 0),
        count(*) filter (where currency is null or not regexp_full_match(currency, '[A-Z]{3}'))
    from customers.customer_orders
    union all
    select
        'customers.customer_events', count(*), 0,
        count(*) filter (where customer_id is null or customer_id not in (select customer_id from customers.customers)), 0, 0,
        coalesce(avg((occurred_at > now()::timestamp)::int), 0), 0
    from customers.customer_events
    union all
    select
        'customers.customer_consents', count(*), 0,
        count(*) filter (where customer_id is null or customer_id not in (select customer_id from customers.customers)), 0, 0,
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


def expectations() -> "Sequence[Expectation]":
    """What must hold for every table people query."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="keys_missing_or_double",
            value_set=[0],
            severity="critical",
            description="every row has a key of its own",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="orphans", value_set=[0], severity="critical", description="every row belongs to a customer"
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="more_people_than_records",
            value_set=[0],
            severity="critical",
            description="there are no more people than records",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="fell",
            value_set=[False],
            severity="critical",
            description=f"at least {1 - MAX_FALL:.0%} of the rows of the last good build are still there",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="without_email_share",
            max_value=MAX_WITHOUT_EMAIL_SHARE,
            severity="warning",
            description=f"at most {MAX_WITHOUT_EMAIL_SHARE:.0%} of the people have no e-mail address",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="future_share",
            max_value=MAX_FUTURE_SHARE,
            severity="warning",
            description=f"at most {MAX_FUTURE_SHARE:.1%} of the rows lie in the future",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="currencies_unknown",
            value_set=[0],
            severity="warning",
            description="every amount has a currency code (ISO 4217)",
        ),
    ]


def profiles(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """The columns of `customers.customers` whose values have a form; no more of a person is read than that."""
    frame = connection.sql(
        f"""
        select
            customer_id, email, phone, country_code, record_count, order_count, revenue_eur::double as revenue_eur,
            date_diff('year', birth_date, current_date) as age
        from customers.customers
        using sample {LARGEST_FRAME} rows
        """  # noqa: S608
    ).df()
    return frame


def profile_expectations() -> "Sequence[Expectation]":
    """What a profile looks like."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToNotBeNull(column="customer_id", severity="critical", description="customer_id is there"),
        gxe.ExpectColumnValuesToBeUnique(column="customer_id", severity="critical", description="customer_id is unique"),
        gxe.ExpectColumnValuesToBeBetween(
            column="record_count", min_value=1, severity="critical", description="a person is made of records"
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="email", regex=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", mostly=0.999, severity="warning",
            description="e-mail addresses look like e-mail addresses",
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="phone", regex=r"^\+[1-9]\d{5,14}$", mostly=0.95, severity="warning",
            description="phone numbers are international (E.164)",
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="country_code", regex=r"^[A-Z]{2}$", mostly=0.99, severity="warning",
            description="countries are two-letter codes (ISO 3166)",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="age", min_value=0, max_value=120, mostly=0.99, severity="warning",
            description="birth dates make people between 0 and 120 years old",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="order_count", min_value=0, severity="warning", description="nobody has a negative number of orders"
        ),
    ]  # fmt: skip


SUITES = [
    Suite("customers", measures, expectations),
    Suite("profiles", profiles, profile_expectations, asset="customers.customers"),
]
