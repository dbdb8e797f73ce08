with

exchange_rates as (
    select
        currency,
        rate,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from, rate) as next_valid_from
    from {{ ref('exchange_rates') }}
),

-- a rate holds until the next one; the last one a year beyond today, for what is dated ahead
periods as (
    select
        currency,
        rate,
        valid_from,
        coalesce(
            {{ add_days('next_valid_from', -1) }},
            {{ add_days(current_utc(), 366) }}
        ) as valid_to
    from exchange_rates
),

-- one row per day makes the look-up an equality: with a range of dates, 3 M orders would each be compared
-- with every rate of their currency
daily_rates as (
    select
        currency,
        {{ explode_list(date_series('valid_from', 'valid_to')) }} as rate_date,
        rate
    from periods
)

select * from daily_rates
