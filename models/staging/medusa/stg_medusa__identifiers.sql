with

customer_versions as (
    select * from {{ ref('stg_medusa__customer_versions') }}
),

-- what was typed at an order, by a customer or a guest
orders as (
    select
        *,
        created_at as seen_from,
        created_at as changed_at
    from {{ ref('stg_medusa__order_headers') }}
),

identifiers as (
    {{ identifier_rows('medusa', {
        'customer_versions': [
            ['medusa_customer_id', 'medusa_customer_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'address_phone'],
        ],
        'orders': [
            ['medusa_customer_id', 'medusa_customer_id'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
    }) }}
)

select * from identifiers
