{#-
    SQL that next products are both learned with, at moments in the past, and recommended with, now (docs/recommendations.md). It is CTEs on
    CTEs: what a person bought, and from it the candidates and what they are judged by.
-#}

{#-
    What people bought, from the CTE `known_lines` (cut_number, customer_id and the columns of `int_predictions__basket_lines`): the CTE `purchases`.
    Ages are counted back from the person's own last order. So nothing in it moves with the days, but with orders alone.
-#}
{% macro bought_by_people() -%}
order_totals as (
    select
        cut_number,
        customer_id,
        count(distinct order_id) as order_total,
        max(ordered_at) as last_ordered_at
    from known_lines
    group by cut_number, customer_id
),

counted as (
    select
        cut_number,
        customer_id,
        product_id,
        is_on_sale,
        count(distinct order_id) as order_count,
        max(ordered_at) as last_ordered_at
    from known_lines
    group by cut_number, customer_id, product_id, is_on_sale
),

ranked_purchases as (
    select
        counted.*,
        order_totals.order_total,
        {{ days_between('counted.last_ordered_at', 'order_totals.last_ordered_at') }} as age_days,
        row_number() over (
            partition by counted.cut_number, counted.customer_id
            order by counted.order_count desc, counted.last_ordered_at desc, counted.product_id asc
        ) as place
    from counted
    inner join order_totals
        on counted.cut_number = order_totals.cut_number and counted.customer_id = order_totals.customer_id
),

purchases as (
    select
        cut_number,
        customer_id,
        product_id,
        is_on_sale,
        cast(order_count as integer) as order_count,
        cast(order_total as integer) as order_total,
        cast(age_days as integer) as age_days,
        cast(place as integer) as place
    from ranked_purchases
    where place <= {{ var('next_products_per_person') }}
),
{%- endmacro %}

{#-
    The CTE `candidates`: per cut, person and product that may be next what it is judged by. From `histories` (the purchases of the people
    asked for), `product_pairs` and `popular_products` (of products on sale). `related_products` is what neighbours their purchases:
    all of their own, and the 20 nearest of the others.
-#}
{% macro candidates_of_histories() -%}
-- what was bought often and lately says most: half of it after 90 days
hints as (
    select
        histories.cut_number,
        histories.customer_id,
        histories.product_id as reason_product_id,
        product_pairs.other_product_id as product_id,
        ln(1 + histories.order_count) * power(0.5, histories.age_days / 90.0) * product_pairs.similarity as hint
    from histories
    inner join product_pairs
        on histories.cut_number = product_pairs.cut_number and histories.product_id = product_pairs.product_id
),

-- the strongest hint and its product as one text, the greatest of which is the same in every run
related as (
    select
        cut_number,
        customer_id,
        product_id,
        round(sum(hint), 9) as relatedness,
        substr(
            max(lpad(cast(cast(round(hint * 1000000000) as bigint) as string), 12, '0') || reason_product_id), 13
        ) as reason_product_id
    from hints
    group by cut_number, customer_id, product_id
),

ranked_related as (
    select
        related.*,
        row_number() over (
            partition by related.cut_number, related.customer_id, histories.product_id is null
            order by related.relatedness desc, related.product_id asc
        ) as place,
        histories.product_id is not null as is_own
    from related
    left join histories
        on
            related.cut_number = histories.cut_number
            and related.customer_id = histories.customer_id
            and related.product_id = histories.product_id
),

related_products as (
    select * from ranked_related
    where is_own or place <= 20
),

proposals as (
    select
        cut_number,
        customer_id,
        product_id
    from related_products
    union
    select
        cut_number,
        customer_id,
        product_id
    from histories
    where is_on_sale
    union
    select
        people.cut_number,
        people.customer_id,
        popular_products.product_id
    from (
        select distinct
            cut_number,
            customer_id
        from histories
    ) as people
    inner join popular_products on people.cut_number = popular_products.cut_number
    where popular_products.place <= 10
),

candidates as (
    select
        proposals.cut_number,
        proposals.customer_id,
        proposals.product_id,
        histories.place as own_place,
        popular_products.place as popular_place,
        related_products.relatedness,
        related_products.reason_product_id,
        {{ next_product_features() }}
    from proposals
    left join histories
        on
            proposals.cut_number = histories.cut_number
            and proposals.customer_id = histories.customer_id
            and proposals.product_id = histories.product_id
    left join related_products
        on
            proposals.cut_number = related_products.cut_number
            and proposals.customer_id = related_products.customer_id
            and proposals.product_id = related_products.product_id
    left join popular_products
        on proposals.cut_number = popular_products.cut_number and proposals.product_id = popular_products.product_id
)
{%- endmacro %}

{#- Lines of orders that stand, as of now. -#}
{% macro lines_known_now() -%}
    select *
    from {{ ref('int_predictions__basket_lines') }}
    where ordered_at <= {{ as_of() }} and (cancelled_at is null or cancelled_at > {{ as_of() }})
{%- endmacro %}

{#- When an order of the relation `orders` was cancelled, as far as that was known at `clock.moment`. -#}
{% macro known_cancellation() -%}
    case
            when orders.status = 'cancelled' and coalesce(orders.cancelled_at, orders.ordered_at) <= clock.moment
                then coalesce(orders.cancelled_at, orders.ordered_at)
        end
{%- endmacro %}

{#- What a candidate is judged by, each in logarithms. 6 digits: the last ones depend on the order in which a machine adds up. -#}
{% macro next_product_features() -%}
    {%- set is_own = 'case when histories.product_id is null then 0 else 1 end' -%}
    {%- set related = 'ln(1 + 20 * coalesce(related_products.relatedness, 0))' -%}
    {%- set popular = 'ln(1 + coalesce(popular_products.buyer_count, 0))' -%}
    cast({{ is_own }} as double) as x_own,
        round(ln(coalesce(histories.order_count, 1)), 6) as x_own_orders,
        round(ln(coalesce(cast(histories.order_count as double) / histories.order_total, 1)), 6) as x_own_share,
        round(ln(1 + coalesce(histories.age_days, 0)), 6) as x_own_age,
        round({{ related }}, 6) as x_related,
        round({{ is_own }} * {{ related }}, 6) as x_own_related,
        round({{ popular }}, 6) as x_popular,
        round({{ is_own }} * {{ popular }}, 6) as x_own_popular
{%- endmacro %}
