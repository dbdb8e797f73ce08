{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances(
        'salesforce', 'opportunities', key='id', changed_at='system_modstamp', created_at='created_date'
    ) }}
),

opportunity_versions as (
    select
        -- ids
        id as opportunity_id,
        {{ text_or_null('account_id') }} as account_id,
        {{ text_or_null('contact_id') }} as contact_id,
        -- strings
        {{ text_or_null('name') }} as opportunity_name,
        -- a stage of one's own says of itself how it ends
        case
            when lower(is_won) = 'true' then 'Closed Won'
            when lower(is_closed) = 'true' then 'Closed Lost'
            else {{ text_or_null('stage_name') }}
        end as stage,
        upper(coalesce({{ text_or_null('currency_iso_code') }}, '{{ var('salesforce_currency') }}')) as currency,
        case
            when bool_or(is_latest and lower(is_deleted) = 'true') over (partition by id) then 'archived'
            else 'staged'
        end as record_class,
        -- numerics
        try_cast(amount as decimal(18, 2)) as amount,
        try_cast(probability as double) / 100 as probability,
        -- 1 is the latest
        cast(appearance as integer) as appearance,
        -- booleans
        is_latest,
        -- dates
        try_cast(close_date as date) as close_date,
        -- timestamps
        {{ utc_timestamp('created_date') }} as created_at,
        changed_at,
        seen_from
    from appearances
)

select * from opportunity_versions
