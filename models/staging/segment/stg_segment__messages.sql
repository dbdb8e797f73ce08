{{ config(
    materialized='incremental',
    unique_key='message_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_untold('segment', 'events', 'message_id', 'received_at') }}",
) }}

with

-- a message that was sent twice has one id
appearances as (
    {{ latest_appearances(
        'segment', 'events',
        key='message_id', changed_at='received_at', relation=records_taken_in('segment', 'events', 'message_id')
    ) }}
),

parsed as (
    select
        *,
        {{ json_object('context', {
            'page': ['path', 'url', 'referrer', 'title'],
            'campaign': ['name', 'source', 'medium'],
            'locale': none,
            'device': ['id', 'type'],
            'consent': {'categoryPreferences': ['analytics', 'advertising', 'marketing']},
        }) }} as about,
        {{ json_object('traits', ['email', 'phone', 'first_name', 'last_name']) }} as person,
        {{ json_object('properties', [
            'product_id', 'name', 'price', 'quantity', 'currency', 'cart_id', 'checkout_id', 'order_id',
            'revenue', 'total',
        ]) }} as subject
    from appearances
),

messages as (
    select
        -- ids
        message_id,
        {{ text_or_null('anonymous_id') }} as anonymous_id,
        {{ text_or_null('user_id') }} as user_id,
        coalesce(
            'user:' || {{ text_or_null('user_id') }},
            'anonymous:' || {{ text_or_null('anonymous_id') }}
        ) as record_id,
        {{ text_or_null('about.device.id') }} as device_id,
        {{ text_or_null('subject.product_id') }} as product_id,
        {{ text_or_null('subject.cart_id') }} as cart_id,
        {{ text_or_null('subject.checkout_id') }} as checkout_id,
        {{ text_or_null('subject.order_id') }} as order_id,
        _file_id as file_id,
        -- strings
        lower(type) as message_type,
        {{ text_or_null('coalesce(event, name)') }} as message_name,
        {{ text_or_null('lower(about.device.type)') }} as device_type,
        {{ text_or_null('about.locale') }} as locale,
        {{ text_or_null('about.page.path') }} as page_path,
        {{ text_or_null('about.page.url') }} as page_url,
        {{ text_or_null('about.page.title') }} as page_title,
        {{ text_or_null('about.page.referrer') }} as referrer,
        {{ text_or_null('about.campaign.name') }} as campaign,
        {{ text_or_null('about.campaign.source') }} as campaign_source,
        {{ text_or_null('about.campaign.medium') }} as campaign_medium,
        {{ text_or_null('person.email') }} as email,
        {{ text_or_null('person.phone') }} as phone,
        {{ text_or_null('person.first_name') }} as first_name,
        {{ text_or_null('person.last_name') }} as last_name,
        {{ text_or_null('subject.name') }} as product_name,
        {{ text_or_null('upper(subject.currency)') }} as currency,
        -- numerics
        try_cast(subject.price as decimal(18, 2)) as price,
        try_cast(subject.quantity as integer) as quantity,
        try_cast(coalesce(subject.revenue, subject.total) as decimal(18, 2)) as order_total,
        -- booleans
        try_cast(about.consent.categoryPreferences.analytics as boolean) as is_analytics_allowed,
        try_cast(about.consent.categoryPreferences.advertising as boolean) as is_advertising_allowed,
        try_cast(about.consent.categoryPreferences.marketing as boolean) as is_marketing_allowed,
        -- timestamps: `timestamp` is corrected for the device's wrong clock
        coalesce(
            {{ utc_timestamp('timestamp') }},
            {{ utc_timestamp('original_timestamp') }},
            {{ utc_timestamp('received_at') }}
        ) as occurred_at,
        coalesce(
            {{ utc_timestamp('received_at') }},
            {{ utc_timestamp('sent_at') }},
            {{ utc_timestamp('timestamp') }}
        ) as received_at,
        cast(_extracted_at as timestamp) as extracted_at
    from parsed
)

select * from messages
