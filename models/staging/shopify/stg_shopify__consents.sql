with

customer_versions as (
    select * from {{ ref('stg_shopify__customer_versions') }}
),

states as (
    select
        record_id,
        'email' as channel,
        email_consent_state as state,
        coalesce(email_consent_at, seen_from) as captured_at,
        changed_at as observed_at
    from customer_versions
    union all
    select
        record_id,
        'sms' as channel,
        sms_consent_state as state,
        coalesce(sms_consent_at, seen_from) as captured_at,
        changed_at as observed_at
    from customer_versions
),

-- `pending` waits for the second step of a double opt-in: not yet a yes
said as (
    select
        record_id,
        'marketing' as purpose,
        channel,
        case state
            when 'subscribed' then 'granted'
            when 'unsubscribed' then 'withdrawn'
            else 'unknown'
        end as status,
        'consent' as legal_basis,
        captured_at,
        observed_at
    from states
    where state is not null
),

consents as (
    {{ consent_rows('shopify', 'said') }}
)

select * from consents
