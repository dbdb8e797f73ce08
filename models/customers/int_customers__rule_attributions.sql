{%- set changes = ref('int_customers__journey_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    post_hook="{{ delete_stale(ref('int_customers__journey_changes')) }}",
) }}
{%- set rules = ['first_touch', 'last_touch', 'linear', 'time_decay'] -%}

with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

touch_weights as (
    select * from {{ ref('int_customers__touch_weights') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

untouched as (
    select orders.order_id
    from orders
    left join touch_weights on orders.order_id = touch_weights.order_id and touch_weights.touch_place = 1
    where touch_weights.order_id is null
),

weights as (
    {%- for rule in rules %}
    select
        order_id,
        touchpoint_id,
        '{{ rule }}' as model,
        channel,
        campaign,
        touch_place,
        {{ rule }} as weight,
        {{ rule in ['first_touch', 'last_touch'] }} as is_whole
    from touch_weights
    where {{ rule }} > 0
    union all
    {%- endfor %}
    {%- for model_name in rules + ['data_driven'] %}
    select
        order_id,
        cast(null as {{ dbt.type_string() }}) as touchpoint_id,
        '{{ model_name }}' as model,
        'unattributed' as channel,
        cast(null as {{ dbt.type_string() }}) as campaign,
        1 as touch_place,
        cast(1 as double) as weight,
        true as is_whole
    from untouched
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

{{ share_out_cents('weights') }}

rule_attributions as (
    select
        *,
        {{ changes_up_to(changes) }} as changed_at
    from shared_out
)

select * from rule_attributions
