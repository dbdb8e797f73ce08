with

contact_versions as (
    select
        *,
        lag(is_email_opt_out) over (
            partition by contact_id order by changed_at, seen_from, is_latest
        ) as was_email_opt_out,
        lag(is_do_not_call) over (
            partition by contact_id order by changed_at, seen_from, is_latest
        ) as was_do_not_call
    from {{ ref('stg_vtiger__contact_versions') }}
),

lead_versions as (
    select
        *,
        lag(is_email_opt_out) over (
            partition by lead_id order by changed_at, seen_from, is_latest
        ) as was_email_opt_out
    from {{ ref('stg_vtiger__lead_versions') }}
),

-- the day the person was asked, and the answer; a yes beside an opt-out is the older of the two
answers as (
    select
        record_id,
        'email' as channel,
        case marketing_consent when 'yes' then 'granted' when 'no' then 'denied' end as status,
        'consent' as legal_basis,
        coalesce(marketing_consent_at, seen_from) as captured_at,
        changed_at as observed_at
    from contact_versions
    where marketing_consent = 'no' or (marketing_consent = 'yes' and not is_email_opt_out)
),

-- an opt-out has no date of its own: it counts from the change that first showed it
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
    union all
    select
        record_id,
        'phone' as channel,
        'withdrawn' as status,
        'legitimate_interest' as legal_basis,
        changed_at as captured_at,
        changed_at as observed_at
    from contact_versions
    where is_do_not_call and not coalesce(was_do_not_call, false)
    union all
    select
        record_id,
        'email' as channel,
        'withdrawn' as status,
        'consent' as legal_basis,
        changed_at as captured_at,
        changed_at as observed_at
    from lead_versions
    where is_email_opt_out and not coalesce(was_email_opt_out, false)
),

said as (
    select
        *,
        'marketing' as purpose
    from answers
    union all
    select
        *,
        'marketing' as purpose
    from opt_outs
),

consents as (
    {{ consent_rows('vtiger', 'said') }}
)

select * from consents
