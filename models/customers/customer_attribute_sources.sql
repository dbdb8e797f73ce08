{%- set changes = ref('int_customers__attribute_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_customers__attribute_changes')) }}",
) }}

with

candidates as (
    select * from {{ ref('customer_attribute_candidates') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

counts as (
    select
        customer_id,
        attribute,
        cast(count(*) as integer) as candidate_count,
        cast(count(distinct normal_value) as integer) as distinct_value_count
    from candidates
    group by customer_id, attribute
),

customer_attribute_sources as (
    select
        candidates.customer_id,
        candidates.attribute,
        candidates.value,
        candidates.source,
        candidates.record_id,
        candidates.rule,
        counts.candidate_count,
        counts.candidate_count - 1 as lost_count,
        counts.distinct_value_count,
        candidates.is_verified,
        candidates.observed_at,
        {{ changes_up_to(changes) }} as changed_at
    from candidates
    inner join counts on candidates.customer_id = counts.customer_id and candidates.attribute = counts.attribute
    where candidates.outcome = 'won'
)

select * from customer_attribute_sources
