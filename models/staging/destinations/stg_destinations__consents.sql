with

opt_out_versions as (
    select * from {{ ref('stg_destinations__opt_out_versions') }}
),

said as (
    select
        record_id,
        purpose,
        channel,
        status,
        'consent' as legal_basis,
        opted_out_at as captured_at,
        seen_at as observed_at
    from opt_out_versions
),

consents as (
    {{ consent_rows('destinations', 'said') }}
)

select * from consents
