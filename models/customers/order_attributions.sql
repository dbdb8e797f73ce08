{%- set models = ['first_touch', 'last_touch', 'linear', 'time_decay', 'data_driven'] -%}
with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

touch_weights as (
    select * from {{ ref('int_customers__touch_weights') }}
),

weights as (
    {%- for model_name in models %}
    select
        order_id,
        touchpoint_id,
        '{{ model_name }}' as model,
        channel,
        campaign,
        touch_place,
        {{ model_name }} as weight
    from touch_weights
    where {{ model_name }} > 0
    union all
    select
        orders.order_id,
        cast(null as {{ dbt.type_string() }}) as touchpoint_id,
        '{{ model_name }}' as model,
        'unattributed' as channel,
        cast(null as {{ dbt.type_string() }}) as campaign,
        1 as touch_place,
        cast(1 as double) as weight
    from orders
    left join touch_weights on orders.order_id = touch_weights.order_id and touch_weights.touch_place = 1
    where touch_weights.order_id is null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

shares as (
    select
        weights.*,
        orders.customer_id,
        orders.ordered_at,
        cast(orders.net_amount_eur * 100 as bigint) as order_cents,
        cast(floor(cast(orders.net_amount_eur * 100 as bigint) * weights.weight) as bigint) as whole_cents,
        cast(orders.net_amount_eur * 100 as bigint) * weights.weight
        - floor(cast(orders.net_amount_eur * 100 as bigint) * weights.weight) as part_of_a_cent
    from weights
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
),

order_attributions as (
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
)

select * from order_attributions
