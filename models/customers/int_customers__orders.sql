{{ config(materialized='view') }}

with

orders as (
    select
        *,
        source || ':' || order_id as global_order_id
    from (
        {{ union_sources('orders') }}
    ) as told
),

refunds as (
    select * from {{ ref('int_customers__refunds') }}
    where order_id is not null
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

-- what was paid back in another currency is worth, in the order's, what it was worth on the day it was paid back
refunds_in_order_currency as (
    select
        refunds.order_id,
        refunds.amount_eur,
        case
            when refunds.currency = orders.currency then refunds.amount
            else cast(round(refunds.amount_eur / order_rates.rate, 2) as decimal(18, 2))
        end as amount
    from refunds
    inner join orders on refunds.order_id = orders.global_order_id
    left join daily_rates as order_rates
        on orders.currency = order_rates.currency and cast(refunds.refunded_at as date) = order_rates.rate_date
),

-- one refund of unknown worth makes the sum unknown, not smaller
refunded as (
    select
        order_id,
        case when count(*) = count(amount) then sum(amount) end as refunded_amount,
        case when count(*) = count(amount_eur) then sum(amount_eur) end as refunded_amount_eur
    from refunds_in_order_currency
    group by order_id
),

valued as (
    select
        orders.*,
        cast(
            case when refunded.order_id is null then 0 else refunded.refunded_amount end as decimal(18, 2)
        ) as refunded_amount,
        {{ in_eur('orders.gross_amount', 'daily_rates.rate') }} as gross_amount_eur,
        {{ in_eur('orders.discount_amount', 'daily_rates.rate') }} as discount_amount_eur,
        cast(
            case when refunded.order_id is null then 0 else refunded.refunded_amount_eur end as decimal(18, 2)
        ) as refunded_amount_eur
    from orders
    left join refunded on orders.global_order_id = refunded.order_id
    left join daily_rates
        on orders.currency = daily_rates.currency and cast(orders.ordered_at as date) = daily_rates.rate_date
),

-- of a cancelled order nothing is left; more paid back than was charged is a loss all the same
netted as (
    select
        *,
        case
            when status = 'cancelled' and gross_amount >= refunded_amount then gross_amount * 0
            else gross_amount - refunded_amount
        end as net_amount,
        case
            when status = 'cancelled' and gross_amount >= refunded_amount then gross_amount_eur * 0
            else gross_amount_eur - refunded_amount_eur
        end as net_amount_eur
    from valued
),

netted_orders as (
    select
        global_order_id as order_id,
        source,
        record_id,
        order_number,
        -- a source that has not heard of the money going back still says paid
        case
            when status in ('open', 'paid') and refunded_amount > 0 and refunded_amount >= gross_amount then 'refunded'
            when status in ('open', 'paid') and refunded_amount > 0 then 'partially_refunded'
            else status
        end as status,
        channel,
        cart_id,
        discount_code,
        currency,
        item_count,
        gross_amount,
        discount_amount,
        refunded_amount,
        cast(gross_amount - refunded_amount - net_amount as decimal(18, 2)) as cancelled_amount,
        cast(net_amount as decimal(18, 2)) as net_amount,
        gross_amount_eur,
        discount_amount_eur,
        refunded_amount_eur,
        cast(gross_amount_eur - refunded_amount_eur - net_amount_eur as decimal(18, 2)) as cancelled_amount_eur,
        cast(net_amount_eur as decimal(18, 2)) as net_amount_eur,
        ordered_at,
        cancelled_at
    from netted
)

select * from netted_orders
