with

profile_versions as (
    select * from {{ ref('stg_klaviyo__profile_versions') }}
),

events as (
    select * from {{ ref('stg_klaviyo__events') }}
),

states as (
    select
        record_id,
        'email' as channel,
        email_consent_state as state,
        coalesce(email_consent_at, seen_from) as captured_at,
        changed_at as observed_at
    from profile_versions
    union all
    select
        record_id,
        'sms' as channel,
        sms_consent_state as state,
        coalesce(sms_consent_at, seen_from) as captured_at,
        changed_at as observed_at
    from profile_versions
    union all
    -- whoever reports a mail as spam does not want the next one
    select
        record_id,
        channel,
        'UNSUBSCRIBED' as state,
        occurred_at as captured_at,
        occurred_at as observed_at
    from events
    where event_type in ('email_unsubscribed', 'email_marked_spam', 'sms_unsubscribed')
),

said as (
    select
        record_id,
        'marketing' as purpose,
        channel,
        case state
            when 'SUBSCRIBED' then 'granted'
            when 'UNSUBSCRIBED' then 'withdrawn'
            else 'unknown'
        end as status,
        'consent' as legal_basis,
        captured_at,
        observed_at
    from states
    where state is not null
),

consents as (
    {{ consent_rows('klaviyo', 'said') }}
)

select * from consents
