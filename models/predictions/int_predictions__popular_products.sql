with

basket_moments as (
    select * from {{ ref('int_predictions__basket_moments') }}
),

counted as (
    select
        basket_moments.cut_number,
        lines.product_id,
        count(distinct lines.customer_id) as buyer_count
    from {{ ref('int_predictions__basket_lines') }} as lines
    inner join basket_moments
        on
            {{ is_within('lines.ordered_at', 90, 'basket_moments.moment') }}
            and (lines.cancelled_at is null or lines.cancelled_at > basket_moments.moment)
    where lines.is_on_sale
    group by basket_moments.cut_number, lines.product_id
),

popular_products as (
    select
        *,
        row_number() over (partition by cut_number order by buyer_count desc, product_id asc) as place
    from counted
)

select * from popular_products
