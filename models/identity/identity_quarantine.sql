with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

attributes as (
    select * from {{ ref('int_identity__record_attributes') }}
),

policy as (
    select * from {{ ref('identity_policy') }}
),

-- how many of each limited identifier come with a value, through any record that carries it: so many people
company as (
    select
        identifiers.identifier_type,
        identifiers.identifier_value,
        others.identifier_type as other_type,
        count(distinct others.identifier_value) as other_count,
        cast(ceil(count(distinct others.identifier_value) / cast(max(policy.max_per_person) as double)) as integer)
            as person_count
    from identifiers
    inner join identifiers as others
        on identifiers.source = others.source and identifiers.record_id = others.record_id
    inner join policy on others.identifier_type = policy.identifier_type
    where
        policy.max_per_person is not null
        and identifiers.identifier_type <> others.identifier_type
    group by identifiers.identifier_type, identifiers.identifier_value, others.identifier_type
),

most_company as (
    select
        identifier_type,
        identifier_value,
        max(person_count) as person_count,
        sum(case when other_type = 'email' then other_count else 0 end) as email_count,
        max(case when other_type <> 'email' then other_count else 0 end) as account_count
    from company
    group by identifier_type, identifier_value
),

given_names as (
    select
        identifiers.identifier_type,
        identifiers.identifier_value,
        attributes.given_name_canonical,
        cast(count(*) as double) as records
    from identifiers
    inner join attributes
        on identifiers.source = attributes.source and identifiers.record_id = attributes.record_id
    where attributes.given_name_canonical is not null
    group by identifiers.identifier_type, identifiers.identifier_value, attributes.given_name_canonical
),

-- e to the power of Shannon's entropy: ten records of Ann and one of Bob are 1.4 names, five of each are 2
name_variety as (
    select
        identifier_type,
        identifier_value,
        count(*) as name_count,
        exp(ln(sum(records)) - sum(records * ln(records)) / sum(records)) as effective_names
    from given_names
    group by identifier_type, identifier_value
),

records as (
    select
        identifier_type,
        identifier_value,
        count(*) as record_count
    from identifiers
    group by identifier_type, identifier_value
),

blocked_values as (
    select
        identifier_type,
        identifier_value
    from {{ ref('identity_blocked_values') }}
    union
    select
        identifier_type,
        identifier_value
    from {{ ref('int_identity__overrides') }}
    where action = 'block_value'
),

judged as (
    select
        records.identifier_type,
        records.identifier_value,
        md5(records.identifier_type || ':' || records.identifier_value) as value_hash,
        case
            when blocked_values.identifier_value is not null then 'blocked'
            when most_company.person_count > policy.max_persons_per_value then 'too_many_accounts'
            when name_variety.effective_names > policy.max_persons_per_value + {{ var('identity_name_noise') }}
                then 'too_many_names'
        end as reason,
        records.record_count,
        coalesce(most_company.account_count, 0) as account_count,
        coalesce(most_company.email_count, 0) as email_count,
        coalesce(name_variety.name_count, 0) as name_count,
        round(coalesce(name_variety.effective_names, 0), 3) as effective_names,
        policy.max_persons_per_value
    from records
    left join policy on records.identifier_type = policy.identifier_type
    left join most_company
        on
            records.identifier_type = most_company.identifier_type
            and records.identifier_value = most_company.identifier_value
    left join name_variety
        on
            records.identifier_type = name_variety.identifier_type
            and records.identifier_value = name_variety.identifier_value
    left join blocked_values
        on
            records.identifier_type = blocked_values.identifier_type
            and records.identifier_value = blocked_values.identifier_value
),

quarantined as (
    select
        identifier_type,
        identifier_value,
        value_hash,
        reason,
        cast(record_count as bigint) as record_count,
        cast(account_count as bigint) as account_count,
        cast(email_count as bigint) as email_count,
        cast(name_count as bigint) as name_count,
        effective_names,
        max_persons_per_value
    from judged
    where reason is not null
)

select * from quarantined
