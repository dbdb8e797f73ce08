{#-
    CTEs up to `shared_out`: the cents of each order of the CTE `orders`, shared out by `weights` (order_id, touchpoint_id, model, channel, campaign,
    touch_place, weight, is_whole), of which each order and model has one or more that add up to 1; `is_whole` says that it is the only one.
-#}
{% macro share_out_cents(weights) -%}
shares as (
    select
        weights.*,
        orders.customer_id,
        orders.ordered_at,
        cast(orders.net_amount_eur * 100 as bigint) as order_cents,
        cast(floor(cast(orders.net_amount_eur * 100 as bigint) * weights.weight) as bigint) as whole_cents,
        cast(orders.net_amount_eur * 100 as bigint) * weights.weight
        - floor(cast(orders.net_amount_eur * 100 as bigint) * weights.weight) as part_of_a_cent
    from {{ weights }} as weights
    inner join orders on weights.order_id = orders.order_id
),

-- largest remainders: the cents that whole cents leave over go where most of a cent was cut off
ranked as (
    select
        *,
        order_cents - sum(whole_cents) over (partition by order_id, model) as left_over,
        row_number() over (
            partition by order_id, model order by part_of_a_cent desc, touch_place desc
        ) as remainder_place
    from shares
    where not is_whole
),

shared_out as (
    select
        order_id,
        customer_id,
        touchpoint_id,
        model,
        channel,
        campaign,
        weight,
        cast(
            (whole_cents + case when remainder_place <= left_over then 1 else 0 end) / 100.0
            as decimal(18, 2)
        ) as revenue_eur,
        ordered_at
    from ranked
    union all
    -- a whole order has nothing left over
    select
        order_id,
        customer_id,
        touchpoint_id,
        model,
        channel,
        campaign,
        weight,
        cast(order_cents / 100.0 as decimal(18, 2)) as revenue_eur,
        ordered_at
    from shares
    where is_whole
),
{%- endmacro %}
