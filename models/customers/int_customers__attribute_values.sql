{%- set changes = ref('int_customers__attribute_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_customers__attribute_changes')) }}",
) }}

with

identity_graph as (
    select * from {{ ref('identity_graph') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

attributes as (
    select
        told.*,
        identity_graph.customer_id
    from (
        {{ union_sources('attributes') }}
    ) as told
    inner join identity_graph on told.source = identity_graph.source and told.record_id = identity_graph.record_id
),

-- a number written without its country is one of the record's own
record_countries as (
    select
        attributes.source,
        attributes.record_id,
        max_by(names.country_code, attributes.observed_at) as country_code
    from attributes
    inner join {{ ref('countries') }} as names on lower(attributes.value) = names.name
    where attributes.attribute = 'country_code'
    group by attributes.source, attributes.record_id
),

written as (
    select
        attributes.customer_id,
        attributes.source,
        attributes.record_id,
        attributes.attribute,
        attributes.value,
        coalesce(attributes.is_verified, false) as is_verified,
        attributes.observed_at,
        {{ attribute_kind('attributes.attribute') }} as kind,
        case when attributes.attribute = 'phone' then coalesce(record_countries.country_code, '') else '' end
            as country_code
    from attributes
    left join record_countries
        on attributes.source = record_countries.source and attributes.record_id = record_countries.record_id
),

normal_forms as (
    {{ normal_forms('written') }}
),

blocked_values as (
    select
        identifier_type,
        identifier_value
    from {{ ref('identity_blocked_values') }}
    union
    select
        identifier_type,
        identifier_value
    from {{ ref('int_identity__overrides') }}
    where action = 'block_value'
),

attribute_values as (
    select
        written.customer_id,
        written.attribute,
        written.value,
        coalesce(normal_forms.normal_value, lower(written.value)) as normal_value,
        written.source,
        written.record_id,
        written.is_verified,
        -- names and streets in a script that is not folded have no normal form, and are names all the same
        written.kind in ('email', 'birth_date', 'country', 'postcode', 'company_domain', 'national_id')
        and normal_forms.normal_value is null as is_invalid,
        blocked_values.identifier_value is not null as is_blocked,
        written.observed_at,
        {{ changes_up_to(changes) }} as changed_at
    from written
    left join normal_forms
        on
            written.kind = normal_forms.kind
            and written.value = normal_forms.value
            and written.country_code = normal_forms.country_code
    left join blocked_values
        on
            written.attribute = blocked_values.identifier_type
            and normal_forms.normal_value = blocked_values.identifier_value
)

select * from attribute_values
