with

contact_versions as (
    select * from {{ ref('stg_salesforce__contact_versions') }}
),

lead_versions as (
    select * from {{ ref('stg_salesforce__lead_versions') }}
),

-- the winner of a merge carries the id of the record that was merged into it
merged_contacts as (
    select
        'contacts:' || merged_into_contact_id as record_id,
        contact_id,
        country_code,
        changed_at as seen_from,
        changed_at
    from contact_versions
    where merged_into_contact_id is not null
),

merged_leads as (
    select
        'leads:' || merged_into_lead_id as record_id,
        lead_id,
        country_code,
        changed_at as seen_from,
        changed_at
    from lead_versions
    where merged_into_lead_id is not null
),

-- a deal or an activity can arrive before its contact or lead, or without it
contact_events as (
    select
        substr(record_id, length('contacts:') + 1) as contact_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_salesforce__events') }}
    where record_id like 'contacts:%'
),

lead_events as (
    select
        substr(record_id, length('leads:') + 1) as lead_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_salesforce__events') }}
    where record_id like 'leads:%'
),

identifiers as (
    {{ identifier_rows('salesforce', {
        'contact_versions': [
            ['salesforce_contact_id', 'contact_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
            ['phone', 'home_phone'],
        ],
        'merged_contacts': [
            ['salesforce_contact_id', 'contact_id'],
        ],
        'lead_versions': [
            ['salesforce_lead_id', 'lead_id'],
            ['salesforce_contact_id', 'converted_contact_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
        'merged_leads': [
            ['salesforce_lead_id', 'lead_id'],
        ],
        'contact_events': [
            ['salesforce_contact_id', 'contact_id'],
        ],
        'lead_events': [
            ['salesforce_lead_id', 'lead_id'],
        ],
    }) }}
)

select * from identifiers
