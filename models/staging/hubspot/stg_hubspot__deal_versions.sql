{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('hubspot', 'deals', key='id', changed_at='updated_at', created_at='created_at') }}
),

parsed as (
    select
        id,
        associations,
        appearance,
        is_latest,
        changed_at,
        seen_from,
        coalesce(lower(archived), 'false') = 'true' as is_archived,
        {{ utc_timestamp('created_at') }} as made_at,
        {{ json_object('properties', [
            'dealname', 'dealstage', 'pipeline', 'amount', 'deal_currency_code', 'hs_deal_stage_probability', 'closedate',
            'hs_merged_object_ids',
        ]) }} as deal
    from appearances
),

winners as (
    select
        id as winner_id,
        {{ explode_list("split(deal.hs_merged_object_ids, ';')") }} as deal_id
    from parsed
    where is_latest
),

merged_away as (
    select distinct trim(deal_id) as deal_id from winners
    where trim(deal_id) <> winner_id
),

deal_versions as (
    select
        -- ids
        parsed.id as deal_id,
        {{ text_or_null('parsed.deal.pipeline') }} as pipeline_id,
        {{ text_or_null('parsed.deal.dealstage') }} as stage_id,
        -- strings
        {{ text_or_null('parsed.deal.dealname') }} as deal_name,
        upper(
            coalesce({{ text_or_null('parsed.deal.deal_currency_code') }}, '{{ var('hubspot_currency') }}')
        ) as currency,
        {{ json_text('parsed.associations', '.contacts.results') }} as contacts,
        {{ json_text('parsed.associations', '.companies.results') }} as companies,
        -- what has become of the record since
        case
            when merged_away.deal_id is not null then 'merged'
            when bool_or(parsed.is_archived and parsed.is_latest) over (partition by parsed.id) then 'archived'
            else 'staged'
        end as record_class,
        -- numerics
        try_cast(parsed.deal.amount as decimal(18, 2)) as amount,
        try_cast(parsed.deal.hs_deal_stage_probability as double) as probability,
        -- 1 is the latest
        cast(parsed.appearance as integer) as appearance,
        -- dates
        cast({{ utc_timestamp('parsed.deal.closedate') }} as date) as close_date,
        -- timestamps
        parsed.made_at as created_at,
        parsed.changed_at,
        parsed.seen_from
    from parsed
    left join merged_away on parsed.id = merged_away.deal_id
)

select * from deal_versions
