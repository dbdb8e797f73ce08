with

traffic as (
    select distinct
        utm_source,
        utm_medium,
        referrer_host
    from {{ ref('customer_events') }}
    where session_id is not null and coalesce(utm_source, utm_medium, referrer_host) is not null
),

traffic_sites as (
    select * from {{ ref('traffic_sites') }}
),

channel_rules as (
    select * from {{ ref('channel_rules') }}
),

-- of the patterns that fit, the longest says most
sites as (
    select
        traffic.*,
        traffic_sites.site_kind,
        row_number() over (
            partition by traffic.utm_source, traffic.utm_medium, traffic.referrer_host
            order by length(traffic_sites.site) desc nulls last, traffic_sites.site asc
        ) as fit
    from traffic
    left join traffic_sites on coalesce(traffic.utm_source, traffic.referrer_host) like traffic_sites.site
),

ruled as (
    select
        sites.utm_source,
        sites.utm_medium,
        sites.referrer_host,
        min_by(channel_rules.channel, channel_rules.position) as channel
    from sites
    left join channel_rules
        on
            (coalesce(channel_rules.utm_medium, '') = '' or sites.utm_medium like channel_rules.utm_medium)
            and (coalesce(channel_rules.site_kind, '') = '' or sites.site_kind = channel_rules.site_kind)
    where sites.fit = 1
    group by sites.utm_source, sites.utm_medium, sites.referrer_host
),

traffic_channels as (
    select
        utm_source,
        utm_medium,
        referrer_host,
        -- a site nobody has told the kind of
        coalesce(channel, 'referral') as channel
    from ruled
)

select * from traffic_channels
