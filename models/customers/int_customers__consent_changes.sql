{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='merge') }}

with

consents as (
    {{ union_sources('consents') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

records as (
    {{ fingerprints_by_record('consents', ['purpose', 'channel', 'status', 'legal_basis', 'captured_at']) }}
),

people as (
    {{ fingerprints_by_person('records') }}
),

fingerprints as (
    select
        customer_id,
        cast(said as string) as fingerprint
    from people
),

consent_changes as (
    {{ changed_fingerprints('fingerprints') }}
)

select * from consent_changes
