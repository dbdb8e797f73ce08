with

accounting as (
    {{ accounting_rows('ads', [
        ['campaign_costs', "concat_ws('|', date, coalesce(channel, ''), campaign)", ref('stg_ads__campaign_costs')],
    ]) }}
)

select * from accounting
