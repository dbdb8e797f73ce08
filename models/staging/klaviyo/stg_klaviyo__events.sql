with

profile_events as (
    select * from {{ ref('stg_klaviyo__profile_events') }}
    -- an event of no profile stays in stg_klaviyo__profile_events
    where profile_id is not null and occurred_at is not null
),

typed as (
    select
        *,
        case metric_name
            when 'Received Email' then 'email_received'
            when 'Opened Email' then 'email_opened'
            when 'Clicked Email' then 'email_clicked'
            when 'Replied to Email' then 'email_replied'
            when 'Bounced Email' then 'email_bounced'
            when 'Unsubscribed' then 'email_unsubscribed'
            when 'Marked Email as Spam' then 'email_marked_spam'
            when 'Received SMS' then 'sms_received'
            when 'Clicked SMS' then 'sms_clicked'
            when 'Unsubscribed from SMS' then 'sms_unsubscribed'
            else coalesce({{ snake_case('metric_name') }}, 'unknown_metric')
        end as event_type
    from profile_events
),

events as (
    select
        {{ event_columns('klaviyo', {
            'event_id': 'event_id',
            'record_id': "'profiles:' || profile_id",
            'event_type': 'event_type',
            'channel': "case when metric_name like '%SMS%' then 'sms' else 'email' end",
            'occurred_at': 'occurred_at',
            'received_at': 'occurred_at',
            'campaign': 'campaign',
            'extracted_at': 'extracted_at',
        }) }}
    from typed
)

select * from events
