with

observed as (
    {{ union_sources('identifiers') }}
),

countries as (
    select * from {{ ref('country_calling_codes') }}
),

normalised as (
    select
        observed.source,
        observed.record_id,
        observed.identifier_type,
        case observed.identifier_type
            when 'email' then {{ normalise_email('observed.identifier_value') }}
            when 'phone' then {{ normalise_phone(
                'observed.identifier_value', 'countries.calling_code', 'countries.trunk_prefix'
            ) }}
            else {{ normalise_id('observed.identifier_value') }}
        end as identifier_value,
        observed.first_seen_at,
        observed.last_seen_at
    from observed
    left join countries on observed.country_code = countries.country_code
),

identifiers as (
    select
        source,
        record_id,
        identifier_type,
        identifier_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from normalised
    where identifier_value is not null
    group by source, record_id, identifier_type, identifier_value
)

select * from identifiers
