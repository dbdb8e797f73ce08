{%- set changes = ref('int_customers__consent_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_customers__consent_changes')) }}",
) }}

with

consent_events as (
    select
        *,
        row_number() over (
            partition by source, record_id, purpose, channel
            -- two statements of one moment: the more restrictive one holds
            order by captured_at desc, {{ consent_rank('status') }}, status
        ) as recency
    from {{ ref('customer_consent_events') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

-- what each record says today; of a person's records the most restrictive speaks for all
said_by_record as (
    select
        *,
        row_number() over (
            partition by customer_id, purpose, channel
            order by {{ consent_rank('status') }}, captured_at desc, source, record_id
        ) as precedence
    from consent_events
    where recency = 1
),

customer_consents as (
    select
        customer_id,
        purpose,
        channel,
        status,
        coalesce(status = 'granted', false) as is_allowed,
        legal_basis,
        source,
        record_id,
        captured_at,
        {{ changes_up_to(changes) }} as changed_at
    from said_by_record
    where precedence = 1
)

select * from customer_consents
