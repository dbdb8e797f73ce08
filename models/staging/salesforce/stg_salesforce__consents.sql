with

people as (
    select
        record_id,
        individual_id,
        is_email_opt_out,
        is_do_not_call,
        is_latest,
        changed_at,
        seen_from
    from {{ ref('stg_salesforce__contact_versions') }}
    union all
    select
        record_id,
        individual_id,
        is_email_opt_out,
        is_do_not_call,
        is_latest,
        changed_at,
        seen_from
    from {{ ref('stg_salesforce__lead_versions') }}
),

person_versions as (
    select
        *,
        lag(is_email_opt_out) over (
            partition by record_id order by changed_at, seen_from, is_latest
        ) as was_email_opt_out,
        lag(is_do_not_call) over (
            partition by record_id order by changed_at, seen_from, is_latest
        ) as was_do_not_call
    from people
),

individual_versions as (
    select
        *,
        lag(is_solicit_opt_out) over (
            partition by individual_id order by changed_at, seen_from, is_latest
        ) as was_solicit_opt_out,
        lag(is_tracking_opt_out) over (
            partition by individual_id order by changed_at, seen_from, is_latest
        ) as was_tracking_opt_out
    from {{ ref('stg_salesforce__individual_versions') }}
),

-- what an individual wants holds for every contact and lead that is the same one
individuals as (
    select
        people.record_id,
        individual_versions.is_solicit_opt_out and not coalesce(individual_versions.was_solicit_opt_out, false)
            as is_new_solicit_opt_out,
        individual_versions.is_tracking_opt_out and not coalesce(individual_versions.was_tracking_opt_out, false)
            as is_new_tracking_opt_out,
        individual_versions.changed_at
    from individual_versions
    inner join people on individual_versions.individual_id = people.individual_id and people.is_latest
),

-- an opt-out has no date of its own: it counts from the change that first showed it
opt_outs as (
    select
        record_id,
        'marketing' as purpose,
        'email' as channel,
        'consent' as legal_basis,
        changed_at
    from person_versions
    where is_email_opt_out and not coalesce(was_email_opt_out, false)
    union all
    select
        record_id,
        'marketing' as purpose,
        'phone' as channel,
        'legitimate_interest' as legal_basis,
        changed_at
    from person_versions
    where is_do_not_call and not coalesce(was_do_not_call, false)
    union all
    select
        record_id,
        'marketing' as purpose,
        'email' as channel,
        'consent' as legal_basis,
        changed_at
    from individuals
    where is_new_solicit_opt_out
    union all
    select
        record_id,
        'marketing' as purpose,
        'phone' as channel,
        'legitimate_interest' as legal_basis,
        changed_at
    from individuals
    where is_new_solicit_opt_out
    union all
    select
        record_id,
        'analytics' as purpose,
        'web' as channel,
        'consent' as legal_basis,
        changed_at
    from individuals
    where is_new_tracking_opt_out
),

said as (
    select
        record_id,
        purpose,
        channel,
        'withdrawn' as status,
        legal_basis,
        changed_at as captured_at,
        changed_at as observed_at
    from opt_outs
),

consents as (
    {{ consent_rows('salesforce', 'said') }}
)

select * from consents
