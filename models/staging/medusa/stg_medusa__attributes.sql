with

customer_versions as (
    select * from {{ ref('stg_medusa__customer_versions') }}
),

-- whom the bill goes to; a delivery may go to somebody else
orders as (
    select
        *,
        created_at as changed_at
    from {{ ref('stg_medusa__order_headers') }}
),

attributes as (
    {{ attribute_rows('medusa', {
        'customer_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['company_name', 'company_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
        'orders': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['company_name', 'company_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
    }) }}
)

select * from attributes
