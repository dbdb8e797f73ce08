with

observed as (
    select
        *,
        case when identifier_type = 'phone' then coalesce(country_code, '') else '' end as phone_country
    from (
        {{ union_sources('identifiers') }}
    ) as every_source
),

written as (
    select
        identifier_type as kind,
        identifier_value as value,
        phone_country as country_code
    from observed
),

normal_forms as (
    {{ normal_forms('written') }}
),

identifiers as (
    select
        observed.source,
        observed.record_id,
        observed.identifier_type,
        normal_forms.normal_value as identifier_value,
        min(observed.first_seen_at) as first_seen_at,
        max(observed.last_seen_at) as last_seen_at
    from observed
    inner join normal_forms
        on
            observed.identifier_type = normal_forms.kind
            and observed.identifier_value = normal_forms.value
            and observed.phone_country = normal_forms.country_code
    where normal_forms.normal_value is not null
    group by observed.source, observed.record_id, observed.identifier_type, normal_forms.normal_value
)

select * from identifiers
