with

opportunity_versions as (
    select * from {{ ref('stg_salesforce__opportunity_versions') }}
    where record_class = 'staged'
),

-- of several contacts the primary one, or the one named first
first_contacts as (
    select
        opportunity_id,
        min_by(
            contact_id,
            case when is_primary then '0' else '1' end
            || coalesce(cast(created_at as string), '') || opportunity_contact_role_id
        ) as contact_id
    from {{ ref('stg_salesforce__opportunity_contact_roles') }}
    where record_class = 'staged' and contact_id is not null
    group by opportunity_id
),

-- an account that is a person has that person as its only contact
person_accounts as (
    select
        accounts.account_id,
        min(contact_versions.contact_id) as contact_id
    from {{ ref('stg_salesforce__account_records') }} as accounts
    left join {{ ref('stg_salesforce__contact_versions') }} as contact_versions
        on accounts.account_id = contact_versions.account_id and contact_versions.is_latest
    where accounts.record_class = 'person_account'
    group by accounts.account_id
),

deals as (
    select
        'salesforce' as source,
        opportunity_versions.opportunity_id as deal_id,
        'contacts:' || coalesce(
            first_contacts.contact_id, opportunity_versions.contact_id, person_accounts.contact_id
        ) as record_id,
        case when person_accounts.account_id is null then opportunity_versions.account_id end as company_id,
        opportunity_versions.opportunity_name as name,
        opportunity_versions.stage,
        opportunity_versions.amount,
        opportunity_versions.currency,
        opportunity_versions.probability,
        opportunity_versions.close_date as expected_close_date,
        opportunity_versions.created_at,
        coalesce(opportunity_versions.seen_from, opportunity_versions.changed_at) as seen_from,
        opportunity_versions.appearance
    from opportunity_versions
    left join first_contacts on opportunity_versions.opportunity_id = first_contacts.opportunity_id
    left join person_accounts on opportunity_versions.account_id = person_accounts.account_id
)

select * from deals
