{#- One article stands for another at most as often as there are sources that name articles. -#}
{%- set hops = sources_that_ship(['order_lines', 'product_variants']) | length -%}

with

catalogue as (
    {{ union_sources('product_variants') }}
),

sold_products as (
    select * from {{ ref('int_customers__sold_products') }}
),

source_order as (
    select source_order from {{ ref('survivorship') }}
    where attribute = '*'
),

named as (
    select
        source,
        product_id,
        sku
    from catalogue
    union
    select
        source,
        product_id,
        sku
    from sold_products
),

ranked as (
    select
        named.*,
        dense_rank() over (
            order by {{ place_in_order('named.source', 'source_order.source_order') }}, named.source
        ) as source_rank
    from named
    cross join source_order
),

articles as (
    select
        source,
        product_id,
        min(source_rank) as source_rank
    from ranked
    group by source, product_id
),

-- an article with the stock-keeping unit of a more trusted source's article is that article;
-- within one source they stay what they are
same_sku as (
    select
        theirs.source,
        theirs.product_id,
        trusted.source as trusted_source,
        trusted.product_id as trusted_product_id,
        row_number() over (
            partition by theirs.source, theirs.product_id
            order by trusted.source_rank, trusted.product_id
        ) as place
    from ranked as theirs
    inner join ranked as trusted
        on theirs.sku = trusted.sku and theirs.source_rank > trusted.source_rank
),

same_0 as (
    select
        articles.source,
        articles.product_id,
        articles.source_rank,
        coalesce(same_sku.trusted_source, articles.source) as same_source,
        coalesce(same_sku.trusted_product_id, articles.product_id) as same_product_id
    from articles
    left join same_sku
        on articles.source = same_sku.source and articles.product_id = same_sku.product_id and same_sku.place = 1
),
{% for hop in range(1, hops) %}
same_{{ hop }} as (
    select
        same_{{ hop - 1 }}.source,
        same_{{ hop - 1 }}.product_id,
        same_{{ hop - 1 }}.source_rank,
        coalesce(same_sku.trusted_source, same_{{ hop - 1 }}.same_source) as same_source,
        coalesce(same_sku.trusted_product_id, same_{{ hop - 1 }}.same_product_id) as same_product_id
    from same_{{ hop - 1 }}
    left join same_sku
        on
            same_{{ hop - 1 }}.same_source = same_sku.source
            and same_{{ hop - 1 }}.same_product_id = same_sku.product_id
            and same_sku.place = 1
),
{% endfor %}
identified as (
    select
        source,
        product_id as source_product_id,
        source_rank,
        same_source || ':' || same_product_id as product_id
    from same_{{ [hops - 1, 0] | max }}
)

select * from identified
