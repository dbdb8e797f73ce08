with

accounting as (
    {{ accounting_rows('enrichment', [
        ['people', 'lower(trim(email))', ref('stg_enrichment__people')],
        ['companies', 'lower(trim(domain))', ref('stg_enrichment__companies')],
    ]) }}
)

select * from accounting
