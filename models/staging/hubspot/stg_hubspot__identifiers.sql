with

contact_versions as (
    select * from {{ ref('stg_hubspot__contact_versions') }}
),

-- the ids of those merged into a contact lead to their records, which the CRM tells of no more
merged_ids as (
    select
        record_id,
        {{ explode_list("split(merged_contact_ids, ';')") }} as contact_id,
        country_code,
        seen_from,
        changed_at
    from contact_versions
),

additional_emails as (
    select
        record_id,
        {{ explode_list("split(additional_emails, ';')") }} as email,
        country_code,
        seen_from,
        changed_at
    from contact_versions
),

subscriptions as (
    select
        record_id,
        email,
        cast(null as string) as country_code,
        said_at as seen_from,
        said_at as changed_at
    from {{ ref('stg_hubspot__subscriptions') }}
    where said_at is not null
),

-- a deal, a call or a meeting can arrive before its contact, or without it
contact_events as (
    select
        substr(record_id, length('contacts:') + 1) as contact_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_hubspot__events') }}
),

identifiers as (
    {{ identifier_rows('hubspot', {
        'contact_versions': [
            ['hubspot_contact_id', 'contact_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
        'merged_ids': [
            ['hubspot_contact_id', 'contact_id'],
        ],
        'additional_emails': [
            ['email', 'email'],
        ],
        'subscriptions': [
            ['email', 'email'],
        ],
        'contact_events': [
            ['hubspot_contact_id', 'contact_id'],
        ],
    }) }}
)

select * from identifiers
