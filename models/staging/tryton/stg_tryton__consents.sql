with

subscriber_versions as (
    select * from {{ ref('stg_tryton__subscriber_versions') }}
    -- a yes to one list is no yes to another: only the one we write under counts
    where lower(list_name) = lower('{{ var('tryton_mailing_list') }}')
),

-- Tryton puts an address on the list when it is asked for, and makes it active when the link in a mail is followed
answers as (
    select
        record_id,
        'marketing' as purpose,
        'email' as channel,
        case when is_active then 'granted' when is_as_made then 'unknown' else 'withdrawn' end as status,
        'consent' as legal_basis,
        changed_at as captured_at,
        changed_at as observed_at
    from subscriber_versions
),

consents as (
    {{ consent_rows('tryton', 'answers') }}
)

select * from consents
