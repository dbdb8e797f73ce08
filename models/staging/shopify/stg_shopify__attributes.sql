with

customer_versions as (
    select * from {{ ref('stg_shopify__customer_versions') }}
),

-- whom the bill goes to; a delivery may go to somebody else
orders as (
    select
        *,
        created_at as changed_at
    from {{ ref('stg_shopify__order_headers') }}
),

checkouts as (
    select
        *,
        created_at as changed_at
    from {{ ref('stg_shopify__checkouts') }}
),

attributes as (
    {{ attribute_rows('shopify', {
        'customer_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['email', 'email', 'is_email_verified'],
            ['phone', 'phone'],
        ],
        'orders': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
        'checkouts': [
            ['email', 'email'],
            ['phone', 'phone'],
        ],
    }) }}
)

select * from attributes
