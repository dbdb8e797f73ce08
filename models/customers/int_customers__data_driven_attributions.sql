{#- The effects of channels change with every order: all shares are worked out anew. -#}
with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

weights as (
    select
        order_id,
        touchpoint_id,
        'data_driven' as model,
        channel,
        campaign,
        touch_place,
        data_driven as weight,
        false as is_whole
    from {{ ref('int_customers__touch_weights') }}
    where data_driven > 0
),

{{ share_out_cents('weights') }}

data_driven_attributions as (
    select * from shared_out
)

select * from data_driven_attributions
