with

-- a day's cost is corrected for some days: the last file that tells it counts
appearances as (
    {{ latest_appearances('ads', 'campaign_costs', key=['date', 'channel', 'campaign']) }}
),

campaign_costs as (
    select
        -- strings
        {{ text_or_null('lower(channel)') }} as ad_channel,
        {{ text_or_null('campaign') }} as campaign,
        {{ text_or_null('upper(currency)') }} as currency,
        -- numerics
        try_cast(impressions as bigint) as impressions,
        try_cast(clicks as bigint) as clicks,
        try_cast(cost as decimal(18, 2)) as cost,
        -- dates
        try_cast(date as date) as cost_date
    from appearances
)

select * from campaign_costs
