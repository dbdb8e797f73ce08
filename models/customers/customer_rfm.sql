with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

rules as (
    select * from {{ ref('rfm_groups') }}
),

buyers as (
    select
        customer_id,
        {{ days_between('max(ordered_at)', as_of()) }} as recency_days,
        cast(count(*) as integer) as frequency,
        cast(coalesce(sum(net_amount_eur), 0) as decimal(18, 2)) as monetary_eur
    from orders
    group by customer_id
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
