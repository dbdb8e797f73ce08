with

catalogue as (
    {{ union_sources('product_variants') }}
),

sold_products as (
    select * from {{ ref('int_customers__sold_products') }}
),

articles as (
    select * from {{ ref('int_customers__articles') }}
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

-- a catalogue is believed before a receipt; of several variants the cheapest is the price "from"
described as (
    select
        source,
        product_id,
        sku,
        product_name,
        category,
        price,
        currency,
        true as is_in_catalogue,
        cast(null as timestamp) as last_sold_at
    from catalogue
    union all
    select
        source,
        product_id,
        sku,
        product_name,
        cast(null as string) as category,
        cast(unit_price as decimal(18, 2)) as price,
        currency,
        false as is_in_catalogue,
        last_sold_at
    from sold_products
),

of_article as (
    select
        articles.product_id,
        described.source,
        described.sku,
        described.product_name,
        described.category,
        described.price,
        described.currency,
        described.is_in_catalogue,
        row_number() over (
            partition by articles.product_id
            order by
                case when described.is_in_catalogue then 0 else 1 end asc,
                articles.source_rank asc,
                case when described.is_in_catalogue then described.price end asc nulls last,
                described.last_sold_at desc nulls last,
                described.product_id asc,
                described.sku asc nulls last
        ) as place,
        max(described.last_sold_at) over (partition by articles.product_id) as last_sold_anywhere_at
    from described
    inner join articles
        on described.source = articles.source and described.product_id = articles.source_product_id
),

products as (
    select
        of_article.product_id,
        of_article.source,
        of_article.sku,
        of_article.product_name as name,
        of_article.category,
        of_article.price,
        of_article.currency,
        {{ in_eur('of_article.price', 'daily_rates.rate') }} as price_eur,
        of_article.is_in_catalogue,
        of_article.last_sold_anywhere_at as last_sold_at
    from of_article
    left join daily_rates
        on of_article.currency = daily_rates.currency and daily_rates.rate_date = cast({{ as_of() }} as date)
    where of_article.place = 1
)

select * from products
