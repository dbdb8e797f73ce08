with

costs as (
    select * from {{ ref('stg_ads__campaign_costs') }}
    where cost_date <= cast({{ as_of() }} as date)
),

ad_channels as (
    select * from {{ ref('ad_channels') }}
),

-- what visits say of a campaign goes before what its advertising system is mostly used for
visits as (
    select
        lower(utm_source) as ad_channel,
        lower(campaign) as campaign,
        channel,
        row_number() over (
            partition by lower(utm_source), lower(campaign) order by count(*) desc, channel
        ) as precedence
    from {{ ref('customer_sessions') }}
    where campaign is not null and utm_source is not null
    group by lower(utm_source), lower(campaign), channel
),

exchange_rates as (
    select
        currency,
        rate,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from) as valid_until
    from {{ ref('exchange_rates') }}
),

campaign_costs as (
    select
        costs.cost_date,
        coalesce(visits.channel, ad_channels.channel, costs.ad_channel) as channel,
        costs.campaign,
        costs.ad_channel,
        costs.currency,
        costs.impressions,
        costs.clicks,
        costs.cost,
        cast(round(costs.cost * exchange_rates.rate, 2) as decimal(18, 2)) as cost_eur
    from costs
    left join visits
        on costs.ad_channel = visits.ad_channel and lower(costs.campaign) = visits.campaign and visits.precedence = 1
    left join ad_channels on costs.ad_channel = ad_channels.ad_channel
    left join exchange_rates
        on
            costs.currency = exchange_rates.currency
            and costs.cost_date >= exchange_rates.valid_from
            and (exchange_rates.valid_until is null or costs.cost_date < exchange_rates.valid_until)
)

select * from campaign_costs
