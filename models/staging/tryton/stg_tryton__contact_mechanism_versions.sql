{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances(
        'tryton', 'contact_mechanisms', key='id', changed_at='last_modified_at', created_at='create_date'
    ) }}
),

parties as (
    select
        party_id,
        record_class,
        is_company
    from {{ ref('stg_tryton__party_versions') }}
    where is_latest
),

contact_mechanism_versions as (
    select
        -- ids
        appearances.id as contact_mechanism_id,
        appearances.party as party_id,
        'parties:' || appearances.party as record_id,
        -- strings
        {{ text_or_null('appearances.type') }} as mechanism_type,
        {{ text_or_null('appearances.value') }} as value,
        coalesce(parties.record_class, 'staged') as party_class,
        -- booleans
        lower(appearances.active) in ('1', 'true') as is_active,
        coalesce(parties.is_company, false) as is_of_company,
        -- whoever is erased in Tryton leaves it without a value
        bool_or(appearances.is_latest and coalesce(trim(appearances.value), '') = '')
            over (partition by appearances.id) as is_erased,
        appearances.is_latest,
        -- timestamps
        appearances.changed_at,
        appearances.seen_from
    from appearances
    left join parties on appearances.party = parties.party_id
)

select * from contact_mechanism_versions
