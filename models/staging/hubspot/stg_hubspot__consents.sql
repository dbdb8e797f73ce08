with

contact_versions as (
    select
        *,
        lag(is_email_opt_out) over (
            partition by contact_id order by changed_at, seen_from, is_latest
        ) as was_email_opt_out
    from {{ ref('stg_hubspot__contact_versions') }}
),

subscriptions as (
    select * from {{ ref('stg_hubspot__subscriptions') }}
),

-- opted out of all mail, which has no date of its own: it counts from the change that first showed it
opt_outs as (
    select
        record_id,
        'email' as channel,
        'withdrawn' as status,
        'consent' as legal_basis,
        changed_at as captured_at,
        changed_at as observed_at
    from contact_versions
    where is_email_opt_out and not coalesce(was_email_opt_out, false)
),

-- a yes to one subscription is no yes to another: only the one we write under counts
answers as (
    select
        record_id,
        channel,
        case status when 'SUBSCRIBED' then 'granted' when 'UNSUBSCRIBED' then 'withdrawn' else 'unknown' end as status,
        case when legal_basis like 'LEGITIMATE%' then 'legitimate_interest' else 'consent' end as legal_basis,
        said_at as captured_at,
        said_at as observed_at
    from subscriptions
    where
        lower('{{ var('hubspot_subscription') }}') in (lower(subscription_name), subscription_id)
        and channel = 'email'
),

said as (
    select
        *,
        'marketing' as purpose
    from opt_outs
    union all
    select
        *,
        'marketing' as purpose
    from answers
),

consents as (
    {{ consent_rows('hubspot', 'said') }}
)

select * from consents
