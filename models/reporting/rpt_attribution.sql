with

attributions as (
    select * from {{ ref('order_attributions') }}
),

attribution as (
    select
        cast(date_trunc('month', ordered_at) as date) as month_date,
        model,
        channel,
        campaign,
        sum(weight) as orders,
        cast(sum(revenue_eur) as decimal(18, 2)) as revenue_eur
    from attributions
    group by cast(date_trunc('month', ordered_at) as date), model, channel, campaign
)

select * from attribution
