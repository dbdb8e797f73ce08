with

records as (
    select * from {{ source('resolve', 'records') }}
),

countries as (
    select
        records.record_id,
        max(countries.country_code) as country_code
    from records
    inner join {{ ref('countries') }} as countries on lower(trim(records.value)) = countries.name
    where records.type = 'country'
    group by records.record_id
),

identifiers as (
    select distinct
        'resolve' as source,
        records.record_id,
        records.type as identifier_type,
        records.value as identifier_value,
        countries.country_code,
        cast('2000-01-01' as timestamp) as first_seen_at,
        cast('2000-01-01' as timestamp) as last_seen_at
    from records
    left join countries on records.record_id = countries.record_id
    where records.type in ('email', 'phone', 'national_id')
)

select * from identifiers
