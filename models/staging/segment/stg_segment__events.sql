with

messages as (
    select
        *,
        {{ snake_case('message_name') }} as snake_name,
        -- a path may hold a token or an address: its first part says enough
        nullif(split_part(page_path, '/', 2), '') as page_section,
        {{ url_host('referrer') }} as referrer_host,
        {{ url_host('page_url') }} as page_host
    from {{ ref('stg_segment__messages') }}
    -- a message of nobody stays in stg_segment__messages
    where record_id is not null and occurred_at is not null
),

typed as (
    select
        *,
        case
            when message_type = 'page' then 'page_viewed'
            when message_type = 'screen' then 'screen_viewed'
            when message_type = 'identify' then 'identified'
            -- the order itself is told by the shop
            when snake_name = 'order_completed' then 'order_completed_web'
            else coalesce(snake_name, message_type)
        end as event_type,
        case when message_type = 'screen' or device_type in ('ios', 'android') then 'app' else 'web' end as channel
    from messages
),

events as (
    select
        {{ event_columns('segment', {
            'event_id': 'message_id',
            'record_id': 'record_id',
            'event_type': 'event_type',
            'channel': 'channel',
            'occurred_at': 'occurred_at',
            'received_at': 'received_at',
            'campaign': 'campaign',
            'product_id': 'product_id',
            'cart_id': 'cart_id',
            'order_id': 'order_id',
            'amount': 'coalesce(order_total, price * quantity, price)',
            'currency': 'currency',
            'detail': 'substr(coalesce(product_name, page_section), 1, 80)',
            'utm_source': 'lower(campaign_source)',
            'utm_medium': 'lower(campaign_medium)',
            'referrer_host': 'case when page_host is null or referrer_host <> page_host then referrer_host end',
            'page_path': safe_path('page_path'),
            'device_type': 'device_type',
            'device_record_id': "coalesce('anonymous:' || anonymous_id, record_id)",
            'extracted_at': 'extracted_at',
        }) }}
    from typed
)

select * from events
