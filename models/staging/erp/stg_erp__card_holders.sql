{{ config(materialized='table') }}

with

invoice_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
    where loyalty_number is not null
),

countries as (
    select * from {{ ref('countries') }}
),

card_holders as (
    select
        -- ids
        invoice_lines.loyalty_number,
        'customers:' || invoice_lines.loyalty_number as record_id,
        -- strings
        countries.country_code,
        -- timestamps
        min(invoice_lines.invoiced_at) as seen_from,
        max(invoice_lines.invoiced_at) as changed_at
    from invoice_lines
    left join countries on lower(invoice_lines.country_name) = countries.name
    group by invoice_lines.loyalty_number, countries.country_code
)

select * from card_holders
