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

identifiers as (
    {{ identifier_rows('shopify', {
        'customer_versions': [
            ['shopify_customer_id', 'shopify_customer_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'address_phone'],
            ['loyalty_number', 'loyalty_number'],
        ],
        'orders': [
            ['shopify_customer_id', 'shopify_customer_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'billing_phone'],
        ],
        'checkouts': [
            ['shopify_customer_id', 'shopify_customer_id'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
    }) }}
)

select * from identifiers
