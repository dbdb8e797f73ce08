{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='merge') }}

with

records as (
    select
        source,
        record_id,
        fingerprint as said
    from {{ ref('int_identity__attribute_changes') }}
    where fingerprint is not null
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

-- what the values are chosen by; what they are made comparable by is in the records' fingerprints
rules as (
    {{ fingerprint_of_tables([
        ref('survivorship'), ref('int_identity__overrides'), ref('identity_blocked_values'),
    ]) }}
),

people as (
    {{ fingerprints_by_person('records') }}
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
