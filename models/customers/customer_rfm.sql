with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

rules as (
    select * from {{ ref('rfm_groups') }}
),

-- what came back to the till and belongs to no order that is known
returns as (
    select
        customer_id,
        sum(amount_eur) as returned_eur
    from {{ ref('customer_refunds') }}
    where order_id is null and refunded_at <= {{ as_of() }}
    group by customer_id
),

bought as (
    select
        customer_id,
        count(*) as frequency,
        sum(net_amount_eur) as revenue_eur,
        max(ordered_at) as last_order_at
    from orders
    group by customer_id
),

buyers as (
    select
        bought.customer_id,
        {{ days_between('bought.last_order_at', as_of()) }} as recency_days,
        cast(bought.frequency as integer) as frequency,
        cast(coalesce(bought.revenue_eur, 0) - coalesce(returns.returned_eur, 0) as decimal(18, 2)) as monetary_eur
    from bought
    left join returns on bought.customer_id = returns.customer_id
),

-- a score says how many fifths of all buyers are worse: equal values get equal scores, and the worst always 1
scored as (
    select
        *,
        cast(floor((rank() over (order by recency_days desc) - 1) * 5 / count(*) over ()) as integer)
        + 1 as recency_score,
        cast(floor((rank() over (order by frequency asc) - 1) * 5 / count(*) over ()) as integer)
        + 1 as frequency_score,
        cast(floor((rank() over (order by monetary_eur asc) - 1) * 5 / count(*) over ()) as integer)
        + 1 as monetary_score
    from buyers
),

combinations as (
    select distinct
        recency_score,
        frequency_score,
        monetary_score
    from scored
),

named as (
    select
        combinations.*,
        rules.rfm_group,
        row_number() over (
            partition by combinations.recency_score, combinations.frequency_score, combinations.monetary_score
            order by rules.priority
        ) as precedence
    from combinations
    left join rules
        on
            combinations.recency_score between rules.recency_from and rules.recency_to
            and combinations.frequency_score between rules.frequency_from and rules.frequency_to
            and combinations.monetary_score between rules.monetary_from and rules.monetary_to
),

customer_rfm as (
    select
        scored.customer_id,
        scored.recency_days,
        scored.frequency,
        scored.monetary_eur,
        scored.recency_score,
        scored.frequency_score,
        scored.monetary_score,
        named.rfm_group
    from scored
    inner join named
        on
            scored.recency_score = named.recency_score
            and scored.frequency_score = named.frequency_score
            and scored.monetary_score = named.monetary_score
            and named.precedence = 1
)

select * from customer_rfm
