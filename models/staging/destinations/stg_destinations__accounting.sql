with

accounting as (
    {{ accounting_rows('destinations', [
        ['opt_outs', 'id', ref('stg_destinations__opt_outs')],
    ]) }}
)

select * from accounting
