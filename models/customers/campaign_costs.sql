with

costs as (
    select * from {{ ref('stg_ads__campaign_costs') }}
    where cost_date <= cast({{ as_of() }} as date)
),

ad_channels as (
    select * from {{ ref('ad_channels') }}
),

-- what visits call a campaign, and the channel they came by, go before what the advertising system says
visits as (
    select
        lower(utm_source) as ad_channel,
        campaign,
        channel,
        row_number() over (
            partition by lower(utm_source), lower(campaign) order by count(*) desc, channel asc, campaign asc
        ) as precedence
    from {{ ref('customer_sessions') }}
    where campaign is not null and utm_source is not null
    group by lower(utm_source), campaign, channel
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

campaign_costs as (
    select
        costs.cost_date,
        coalesce(visits.channel, ad_channels.channel, costs.ad_channel) as channel,
        coalesce(visits.campaign, costs.campaign) as campaign,
        costs.ad_channel,
        costs.currency,
        costs.impressions,
        costs.clicks,
        costs.cost,
        {{ in_eur('costs.cost', 'daily_rates.rate') }} as cost_eur
    from costs
    left join visits
        on
            costs.ad_channel = visits.ad_channel
            and lower(costs.campaign) = lower(visits.campaign)
            and visits.precedence = 1
    left join ad_channels on costs.ad_channel = ad_channels.ad_channel
    left join daily_rates on costs.currency = daily_rates.currency and costs.cost_date = daily_rates.rate_date
)

select * from campaign_costs
