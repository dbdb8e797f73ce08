{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='merge') }}

with

attributes as (
    {{ union_sources('attributes') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

-- what the values are made comparable by, and chosen by
rules as (
    {{ fingerprint_of_tables([
        ref('survivorship'), ref('int_identity__overrides'), ref('identity_blocked_values'), ref('countries'),
        ref('country_calling_codes'), ref('email_providers'),
    ]) }}
),

people as (
    {{ fingerprints_by_person('attributes', ['attribute', 'value', 'is_verified', 'observed_at']) }}
),

fingerprints as (
    select
        people.customer_id,
        cast({{ columns_hash(['people.said', 'rules.said']) }} as string) as fingerprint
    from people
    cross join rules
),

attribute_changes as (
    {{ changed_fingerprints('fingerprints') }}
)

select * from attribute_changes
