with

-- a few rows per visitor instead of one per message
seen as (
    select
        anonymous_id,
        user_id,
        device_id,
        email,
        phone,
        min(occurred_at) as seen_from,
        max(occurred_at) as changed_at
    from {{ ref('stg_segment__messages') }}
    group by anonymous_id, user_id, device_id, email, phone
),

-- the cookie is known on its own; the account carries the cookies and devices it was used with
anonymous_records as (
    select
        *,
        'anonymous:' || anonymous_id as record_id,
        cast(null as string) as country_code
    from seen
    where anonymous_id is not null
),

user_records as (
    select
        *,
        'user:' || user_id as record_id,
        cast(null as string) as country_code
    from seen
    where user_id is not null
),

unknown_visitors as (
    select * from anonymous_records
    where user_id is null
),

identifiers as (
    {{ identifier_rows('segment', {
        'anonymous_records': [
            ['anonymous_id', 'anonymous_id'],
            ['device_id', 'device_id'],
        ],
        'user_records': [
            ['shopify_customer_id', 'user_id'],
            ['anonymous_id', 'anonymous_id'],
            ['device_id', 'device_id'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
        'unknown_visitors': [
            ['email', 'email'],
            ['phone', 'phone'],
        ],
    }) }}
)

select * from identifiers
