with

contact_versions as (
    select * from {{ ref('stg_vtiger__contact_versions') }}
),

lead_versions as (
    select * from {{ ref('stg_vtiger__lead_versions') }}
),

-- a deal, a call or a meeting can arrive before its contact, or without it
contact_events as (
    select
        substr(record_id, length('contacts:') + 1) as contact_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_vtiger__events') }}
    where record_id like 'contacts:%'
),

identifiers as (
    {{ identifier_rows('vtiger', {
        'contact_versions': [
            ['vtiger_contact_id', 'contact_id'],
            ['email', 'email'],
            ['email', 'secondary_email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
            ['loyalty_number', 'loyalty_number'],
        ],
        'lead_versions': [
            ['vtiger_lead_id', 'lead_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
        'contact_events': [
            ['vtiger_contact_id', 'contact_id'],
        ],
    }) }}
)

select * from identifiers
