with

parties as (
    select record_class from {{ ref('stg_tryton__party_versions') }}
    where is_latest
),

accounting as (
    {{ accounting_rows('tryton', [
        ['parties', 'id', "parties where record_class = 'staged'", 'parties'],
        ['contact_mechanisms', 'id', ref('stg_tryton__contact_mechanism_versions') ~ ' where is_latest'],
        ['addresses', 'id', ref('stg_tryton__addresses')],
        ['identifiers', 'id', ref('stg_tryton__party_identifiers')],
        ['opportunities', 'id', ref('stg_tryton__opportunity_versions') ~ ' where is_latest'],
        ['subscribers', 'id', ref('stg_tryton__subscriber_versions') ~ ' where is_latest'],
    ]) }}
    union all
    select
        'tryton' as source,
        'parties' as table_name,
        record_class,
        count(*) as records
    from parties
    where record_class <> 'staged'
    group by record_class
)

select * from accounting
