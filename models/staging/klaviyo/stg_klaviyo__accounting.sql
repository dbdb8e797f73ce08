with

accounting as (
    {{ accounting_rows('klaviyo', [
        ['profiles', 'id', ref('stg_klaviyo__profiles')],
        ['metrics', 'id', ref('stg_klaviyo__metrics')],
        ['events', 'id', ref('stg_klaviyo__profile_events')],
    ]) }}
)

select * from accounting
