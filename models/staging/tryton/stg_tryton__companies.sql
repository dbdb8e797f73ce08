with

parties as (
    select * from {{ ref('stg_tryton__party_versions') }}
    where is_latest and is_company and record_class = 'staged'
),

addresses as (
    select * from {{ ref('stg_tryton__addresses') }}
    where is_first
),

websites as (
    select
        party_id,
        min_by(value, try_cast(contact_mechanism_id as bigint)) as website
    from {{ ref('stg_tryton__contact_mechanism_versions') }}
    where is_latest and is_active and mechanism_type = 'website'
    group by party_id
),

companies as (
    select
        'tryton' as source,
        parties.party_id as company_id,
        {{ text_or_null(
            "regexp_extract(lower(websites.website), '^(https?://)?(www[.])?([^/:?]+)', 3)"
        ) }} as company_domain,
        parties.name,
        cast(null as string) as industry,
        cast(null as integer) as employee_count,
        addresses.country_code,
        parties.changed_at as updated_at
    from parties
    left join addresses on parties.party_id = addresses.party_id
    left join websites on parties.party_id = websites.party_id
)

select * from companies
