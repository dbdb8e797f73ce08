{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('medusa', 'customers', key='id', changed_at='updated_at', created_at='created_at') }}
),

addresses as (
    select
        id as customer_id,
        appearance,
        {{ explode_list(json_objects('addresses', [
            'id', 'first_name', 'last_name', 'company', 'address_1', 'city', 'postal_code', 'country_code', 'phone',
            'is_default_billing', 'is_default_shipping', 'updated_at',
        ])) }} as address
    from appearances
),

-- whom the bill goes to; a delivery may go to somebody else
preferred as (
    select
        *,
        {{ utc_timestamp('address.updated_at') }} as address_changed_at,
        row_number() over (
            partition by customer_id, appearance
            order by
                coalesce(try_cast(address.is_default_billing as boolean), false) desc,
                coalesce(try_cast(address.is_default_shipping as boolean), false) desc,
                address.id
        ) as place
    from addresses
),

-- an address has a time of change of its own, and leaves the customer's as it was
dated as (
    select
        appearances.*,
        preferred.address,
        greatest(appearances.changed_at, coalesce(preferred.address_changed_at, appearances.changed_at)) as observed_at
    from appearances
    left join preferred
        on
            appearances.id = preferred.customer_id
            and appearances.appearance = preferred.appearance
            and preferred.place = 1
),

customer_versions as (
    select
        -- ids
        id as medusa_customer_id,
        'customers:' || id as record_id,
        -- strings
        {{ text_or_null('email') }} as email,
        {{ text_or_null('phone') }} as phone,
        {{ text_or_null('address.phone') }} as address_phone,
        {{ text_or_null('first_name') }} as first_name,
        {{ text_or_null('last_name') }} as last_name,
        {{ text_or_null('company_name') }} as company_name,
        {{ text_or_null('address.address_1') }} as street,
        {{ text_or_null('address.city') }} as city,
        {{ text_or_null('address.postal_code') }} as postal_code,
        {{ text_or_null('upper(address.country_code)') }} as country_code,
        -- booleans
        coalesce(try_cast(has_account as boolean), false) as has_account,
        is_latest,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        observed_at as changed_at,
        case when appearance = number_of_appearances then seen_from else observed_at end as seen_from
    from dated
)

select * from customer_versions
