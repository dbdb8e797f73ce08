with

contact_versions as (
    select * from {{ ref('stg_vtiger__contact_versions') }}
),

lead_versions as (
    select * from {{ ref('stg_vtiger__lead_versions') }}
),

identifiers as (
    {{ identifier_rows('vtiger', 'contact_versions', [
        ['vtiger_contact_id', 'contact_id'],
        ['email', 'email'],
        ['email', 'secondary_email'],
        ['phone', 'phone'],
        ['phone', 'mobile'],
        ['loyalty_number', 'loyalty_number'],
    ]) }}
    union all
    {{ identifier_rows('vtiger', 'lead_versions', [
        ['vtiger_lead_id', 'lead_id'],
        ['email', 'email'],
        ['phone', 'phone'],
        ['phone', 'mobile'],
    ]) }}
)

select * from identifiers
