{%- set changes = ref('int_customers__attribute_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_customers__attribute_changes')) }}",
) }}

with

attribute_sources as (
    select * from {{ ref('customer_attribute_sources') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

wide as (
    select
        customer_id,
        max(case when attribute = 'first_name' then value end) as first_name,
        max(case when attribute = 'last_name' then value end) as last_name,
        max(case when attribute = 'full_name' then value end) as written_name,
        max(case when attribute = 'email' then value end) as email,
        max(case when attribute = 'phone' then value end) as phone,
        max(case when attribute = 'street' then value end) as street,
        max(case when attribute = 'city' then value end) as city,
        max(case when attribute = 'postal_code' then value end) as postal_code,
        max(case when attribute = 'country_code' then value end) as country_code,
        max(case when attribute = 'language' then value end) as language,
        max(case when attribute = 'company_name' then value end) as company_name,
        max(case when attribute = 'company_domain' then value end) as company_domain,
        max(case when attribute = 'job_title' then value end) as job_title,
        max(case when attribute = 'age_band' then value end) as age_band,
        max(case when attribute = 'income_band' then value end) as income_band,
        cast(max(case when attribute = 'birth_date' then value end) as date) as birth_date
    from attribute_sources
    group by customer_id
),

golden as (
    select
        *,
        -- given and family name come from one record; a name in one piece stands in where one of them is missing
        coalesce(first_name || ' ' || last_name, written_name, first_name, last_name) as full_name,
        {{ changes_up_to(changes) }} as changed_at
    from wide
)

select * from golden
