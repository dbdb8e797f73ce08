{{ config(materialized='incremental', unique_key=['source', 'record_id'], incremental_strategy='merge') }}

with

attributes as (
    {{ union_sources('attributes') }}
),

-- what the values are brought into their normal form by
rules as (
    {{ fingerprint_of_tables([
        ref('countries'), ref('country_calling_codes'), ref('email_providers'), ref('nicknames'),
    ]) }}
),

records as (
    {{ fingerprints_by_record('attributes', ['attribute', 'value', 'is_verified', 'observed_at']) }}
),

fingerprints as (
    select
        records.source,
        records.record_id,
        cast({{ columns_hash(['records.said', 'rules.said']) }} as string) as fingerprint
    from records
    cross join rules
),

attribute_changes as (
    {{ changed_fingerprints('fingerprints', ['source', 'record_id']) }}
)

select * from attribute_changes
