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

codes as (
    select
        source,
        product_id as source_product_id,
        product_id as code,
        1 as code_rank
    from catalogue
    union all
    select
        source,
        product_id as source_product_id,
        variant_id as code,
        2 as code_rank
    from catalogue
    union all
    select
        source,
        product_id as source_product_id,
        sku as code,
        3 as code_rank
    from catalogue
    union all
    select
        source,
        product_id as source_product_id,
        product_id as code,
        1 as code_rank
    from sold_products
    union all
    select
        source,
        product_id as source_product_id,
        sku as code,
        3 as code_rank
    from sold_products
),

identified as (
    select
        codes.source,
        codes.code,
        codes.code_rank,
        articles.source_rank,
        articles.product_id
    from codes
    inner join articles
        on codes.source = articles.source and codes.source_product_id = articles.source_product_id
    where codes.code is not null
),

-- every source first knows its own codes; one that names no articles itself, such as the web, uses those of the others
spoken as (
    {%- for source in var('sources') %}
    select
        '{{ source }}' as source,
        code,
        code_rank,
        case when source = '{{ source }}' then 0 else source_rank end as source_rank,
        product_id
    from identified
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by source, code order by source_rank, code_rank, product_id
        ) as place
    from spoken
),

product_codes as (
    select
        source,
        code,
        product_id
    from ranked
    where place = 1
)

select * from product_codes
