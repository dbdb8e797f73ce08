with

appearances as (
    {{ all_appearances('destinations', 'opt_outs', key='id', changed_at='seen_at') }}
),

opt_out_versions as (
    select
        -- ids
        id as opt_out_id,
        'opt_outs:' || id as record_id,
        -- strings
        {{ text_or_null('destination') }} as destination,
        {{ text_or_null('sync') }} as sync,
        lower({{ text_or_null('identifier_type') }}) as identifier_type,
        {{ text_or_null('identifier') }} as identifier,
        lower({{ text_or_null('purpose') }}) as purpose,
        lower({{ text_or_null('channel') }}) as channel,
        -- nobody comes back by a slip of the pen
        case when lower({{ text_or_null('status') }}) = 'granted' then 'granted' else 'withdrawn' end as status,
        -- booleans
        is_latest,
        -- timestamps
        {{ utc_timestamp('opted_out_at') }} as opted_out_at,
        coalesce(changed_at, {{ utc_timestamp('opted_out_at') }}) as seen_at
    from appearances
)

select * from opt_out_versions
