{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('tryton', 'parties', key='id', changed_at='last_modified_at', created_at='create_date') }}
),

-- Tryton has one list of people and companies: a company is who has a number for VAT
companies as (
    select distinct party_id
    from {{ ref('stg_tryton__party_identifiers') }}
    where is_active and right(identifier_type, 4) = '_vat'
),

party_versions as (
    select
        -- ids
        appearances.id as party_id,
        'parties:' || appearances.id as record_id,
        {{ text_or_null('appearances.replaced_by') }} as replaced_by_party_id,
        -- strings
        {{ text_or_null('appearances.code') }} as party_code,
        {{ text_or_null('appearances.name') }} as name,
        {{ text_or_null("lower(split_part(appearances.lang_code, '_', 1))") }} as language,
        -- what has become of the record since
        case
            when
                bool_or(appearances.is_latest and appearances.replaced_by is not null)
                    over (partition by appearances.id)
                then 'merged'
            when
                bool_or(appearances.is_latest and lower(appearances.active) not in ('1', 'true'))
                    over (partition by appearances.id)
                then 'archived'
            else 'staged'
        end as record_class,
        -- booleans
        companies.party_id is not null as is_company,
        appearances.is_latest,
        -- timestamps
        {{ utc_timestamp('appearances.create_date') }} as created_at,
        appearances.changed_at,
        appearances.seen_from
    from appearances
    left join companies on appearances.id = companies.party_id
)

select * from party_versions
