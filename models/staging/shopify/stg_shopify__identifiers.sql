with

customer_versions as (
    select * from {{ ref('stg_shopify__customer_versions') }}
),

-- what was typed at an order or a checkout, by a customer or a guest
orders as (
    select
        *,
        created_at as seen_from,
        created_at as changed_at
    from {{ ref('stg_shopify__order_headers') }}
),

checkouts as (
    select
        *,
        cast(null as string) as country_code,
        created_at as seen_from,
        created_at as changed_at
    from {{ ref('stg_shopify__checkouts') }}
),

observed as (
    {{ identifier_rows('shopify', 'customer_versions', [
        ['shopify_customer_id', 'shopify_customer_id'],
        ['email', 'email'],
        ['phone', 'phone'],
        ['phone', 'address_phone'],
        ['loyalty_number', 'loyalty_number'],
    ]) }}
    union all
    {{ identifier_rows('shopify', 'orders', [
        ['shopify_customer_id', 'shopify_customer_id'],
        ['email', 'email'],
        ['phone', 'phone'],
        ['phone', 'billing_phone'],
    ]) }}
    union all
    {{ identifier_rows('shopify', 'checkouts', [
        ['shopify_customer_id', 'shopify_customer_id'],
        ['email', 'email'],
        ['phone', 'phone'],
    ]) }}
),

identifiers as (
    select
        source,
        record_id,
        identifier_type,
        identifier_value,
        min_by(country_code, first_seen_at) filter (where country_code is not null) as country_code,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from observed
    group by source, record_id, identifier_type, identifier_value
)

select * from identifiers
