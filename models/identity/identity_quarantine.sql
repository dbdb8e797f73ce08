with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

policy as (
    select * from {{ ref('identity_policy') }}
),

blocked_values as (
    select * from {{ ref('identity_blocked_values') }}
),

-- the other identifiers that come with a value, through any record that carries it
company as (
    select
        identifiers.identifier_type,
        identifiers.identifier_value,
        count(distinct identifiers.source || ':' || identifiers.record_id) as record_count,
        count(distinct case when others.identifier_type = 'shopify_customer_id' then others.identifier_value end)
            as account_count,
        count(distinct case when others.identifier_type = 'email' then others.identifier_value end) as email_count
    from identifiers
    inner join identifiers as others
        on identifiers.source = others.source and identifiers.record_id = others.record_id
    group by identifiers.identifier_type, identifiers.identifier_value
),

judged as (
    select
        company.identifier_type,
        company.identifier_value,
        case
            when blocked_values.identifier_value is not null then 'blocked'
            when company.account_count > policy.max_accounts_per_value then 'too_many_accounts'
            when company.email_count > policy.max_emails_per_value then 'too_many_emails'
        end as reason,
        company.record_count,
        company.account_count,
        company.email_count
    from company
    left join policy on company.identifier_type = policy.identifier_type
    left join blocked_values
        on
            company.identifier_type = blocked_values.identifier_type
            and company.identifier_value = blocked_values.identifier_value
),

quarantined as (
    select * from judged
    where reason is not null
)

select * from quarantined
