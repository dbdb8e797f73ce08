{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('vtiger', 'potentials', key='id', changed_at='modifiedtime', created_at='createdtime') }}
),

potential_versions as (
    select
        -- ids
        id as potential_id,
        {{ text_or_null('contact_id') }} as contact_id,
        {{ text_or_null('related_to') }} as account_id,
        -- strings
        {{ text_or_null('potential_no') }} as potential_number,
        {{ text_or_null('potentialname') }} as potential_name,
        {{ text_or_null('sales_stage') }} as sales_stage,
        {{ text_or_null('leadsource') }} as lead_source,
        '{{ var('vtiger_currency') }}' as currency,
        -- numerics
        try_cast(amount as decimal(18, 2)) as amount,
        try_cast(probability as decimal(5, 2)) as probability_percent,
        -- 1 is the latest
        cast(appearance as integer) as appearance,
        -- dates
        try_cast(closingdate as date) as closing_date,
        -- timestamps
        {{ utc_timestamp('createdtime') }} as created_at,
        changed_at,
        seen_from
    from appearances
)

select * from potential_versions
