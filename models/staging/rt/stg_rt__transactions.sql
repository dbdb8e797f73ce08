{{ config(materialized='table') }}

with

appearances as (
    {{ latest_appearances('rt', 'transactions', key='id', changed_at='created') }}
),

tickets as (
    select * from {{ ref('stg_rt__ticket_records') }}
),

staged_tickets as (
    select * from {{ ref('stg_rt__ticket_records') }}
    where record_class = 'staged'
),

transactions as (
    select
        -- ids: what was said on a ticket that was merged stands on the one it was merged into
        appearances.id as transaction_id,
        tickets.effective_ticket_id as ticket_id,
        {{ text_or_null('appearances.object_id') }} as own_ticket_id,
        {{ text_or_null(json_text('appearances.creator', '.id')) }} as author_id,
        -- strings
        lower(appearances.type) as transaction_type,
        {{ text_or_null(
            "case when appearances.content_type = 'text/html' then "
            ~ regexp_remove('appearances.content', '<[^>]*>') ~ " else appearances.content end"
        ) }} as body,
        -- what has become of the record: the ticket may be deleted, or not have arrived yet
        case
            when staged_tickets.ticket_id is null then 'without_a_ticket'
            when lower(appearances.type) = 'status' then 'status_change'
            when lower(appearances.type) = 'create' and coalesce(appearances.content, '') = '' then 'no_message'
            else 'staged'
        end as record_class,
        -- booleans: comments are for colleagues
        coalesce(lower(appearances.type) <> 'comment', true) as is_public,
        -- timestamps
        {{ utc_timestamp('appearances.created') }} as created_at
    from appearances
    left join tickets on appearances.object_id = tickets.ticket_id
    left join staged_tickets on tickets.effective_ticket_id = staged_tickets.ticket_id
)

select * from transactions
