{{ config(materialized='table') }}

with

tickets as (
    select * from {{ ref('customer_tickets') }}
),

-- what is said by the first words counts once, whoever else says it: the same text is classified once
ticket_texts as (
    select
        ticket_id,
        customer_id,
        trim(coalesce(subject, '') || chr(10) || coalesce(body, '')) as text,
        md5(trim(coalesce(subject, '') || chr(10) || coalesce(body, ''))) as text_hash
    from tickets
    where opened_at <= {{ as_of() }}
)

select * from ticket_texts
where text <> ''
