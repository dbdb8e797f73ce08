{%- set changes = ref('int_customers__consent_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_customers__consent_changes')) }}",
) }}

with

consents as (
    {{ union_sources('consents') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

customer_consent_events as (
    select
        md5(concat_ws(
            '|',
            consents.source,
            consents.record_id,
            consents.purpose,
            consents.channel,
            cast(consents.captured_at as string)
        )) as consent_event_id,
        identity_graph.customer_id,
        consents.purpose,
        consents.channel,
        consents.status,
        consents.legal_basis,
        consents.source,
        consents.record_id,
        consents.captured_at,
        {{ changes_up_to(changes) }} as changed_at
    from consents
    inner join identity_graph
        on consents.source = identity_graph.source and consents.record_id = identity_graph.record_id
)

select * from customer_consent_events
