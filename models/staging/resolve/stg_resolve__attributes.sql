with

records as (
    select * from {{ source('resolve', 'records') }}
),

countries as (
    select * from {{ ref('countries') }}
),

attributes as (
    select distinct
        'resolve' as source,
        records.record_id,
        case records.type
            when 'given_name' then 'first_name'
            when 'family_name' then 'last_name'
            when 'postcode' then 'postal_code'
            when 'country' then 'country_code'
            else records.type
        end as attribute,
        case records.type when 'country' then coalesce(countries.country_code, records.value) else records.value end as value,
        false as is_verified,
        cast('2000-01-01' as timestamp) as observed_at
    from records
    left join countries on lower(trim(records.value)) = countries.name
)

select * from attributes
