{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('tryton', 'opportunities', key='id', changed_at='last_modified_at', created_at='create_date') }}
),

companies as (
    select distinct party_id
    from {{ ref('stg_tryton__party_versions') }}
    where is_company
),

opportunity_versions as (
    select
        -- ids: of a company's opportunity the person is whose number or address is its contact
        appearances.id as opportunity_id,
        'parties:' || case
            when contacts.party_id is null and {{ text_or_null('appearances.contact_party') }} is not null
                then appearances.contact_party
            when companies.party_id is null then {{ text_or_null('appearances.party') }}
        end as record_id,
        companies.party_id as company_id,
        -- strings
        coalesce({{ text_or_null('appearances.description') }}, appearances.number) as opportunity_name,
        lower(appearances.state) as state,
        upper({{ text_or_null('appearances.currency_code') }}) as currency,
        -- numerics
        try_cast(appearances.amount as decimal(18, 2)) as amount,
        try_cast(appearances.conversion_probability as double) as probability,
        -- 1 is the latest
        cast(appearances.appearance as integer) as appearance,
        -- booleans
        appearances.is_latest,
        -- dates
        try_cast(appearances.end_date as date) as end_date,
        -- timestamps
        {{ utc_timestamp('appearances.create_date') }} as created_at,
        appearances.changed_at,
        coalesce(appearances.seen_from, appearances.changed_at) as seen_from
    from appearances
    left join companies on appearances.party = companies.party_id
    left join companies as contacts on appearances.contact_party = contacts.party_id
)

select * from opportunity_versions
