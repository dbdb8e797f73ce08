with

accounting as (
    {{ accounting_rows('segment', [
        ['events', 'message_id', ref('stg_segment__messages')],
    ]) }}
)

select * from accounting
