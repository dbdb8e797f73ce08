with

party_versions as (
    select
        party_versions.*,
        addresses.country_code
    from {{ ref('stg_tryton__party_versions') }} as party_versions
    left join {{ ref('stg_tryton__addresses') }} as addresses
        on party_versions.party_id = addresses.party_id and addresses.is_first
    where not party_versions.is_company
),

-- who was replaced by another party is that one
replaced as (
    select
        'parties:' || replaced_by_party_id as record_id,
        party_id,
        country_code,
        changed_at as seen_from,
        changed_at
    from party_versions
    where is_latest and replaced_by_party_id is not null
),

mechanisms as (
    select
        versions.*,
        addresses.country_code
    from {{ ref('stg_tryton__contact_mechanism_versions') }} as versions
    left join {{ ref('stg_tryton__addresses') }} as addresses
        on versions.party_id = addresses.party_id and addresses.is_first
    where not versions.is_of_company and not versions.is_erased
),

emails as (
    select * from mechanisms
    where mechanism_type = 'email'
),

numbers as (
    select * from mechanisms
    where mechanism_type in ('phone', 'mobile')
),

subscribers as (
    select
        *,
        cast(null as string) as country_code
    from {{ ref('stg_tryton__subscriber_versions') }}
),

-- a lead or a deal can arrive before its party, or without it
party_events as (
    select
        substr(record_id, length('parties:') + 1) as party_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_tryton__events') }}
),

identifiers as (
    {{ identifier_rows('tryton', {
        'party_versions': [
            ['tryton_party_id', 'party_id'],
        ],
        'replaced': [
            ['tryton_party_id', 'party_id'],
        ],
        'emails': [
            ['email', 'value'],
        ],
        'numbers': [
            ['phone', 'value'],
        ],
        'subscribers': [
            ['email', 'email'],
        ],
        'party_events': [
            ['tryton_party_id', 'party_id'],
        ],
    }) }}
)

select * from identifiers
