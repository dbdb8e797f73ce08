with

appearances as (
    {{ all_appearances(
        'salesforce', 'individuals', key='id', changed_at='system_modstamp', created_at='created_date'
    ) }}
),

individual_versions as (
    select
        -- ids
        id as individual_id,
        -- what has become of the record since
        case
            when bool_or(is_latest and lower(is_deleted) = 'true') over (partition by id) then 'archived'
            else 'staged'
        end as record_class,
        -- booleans
        coalesce(lower(has_opted_out_solicit), 'false') = 'true' as is_solicit_opt_out,
        coalesce(lower(has_opted_out_tracking), 'false') = 'true' as is_tracking_opt_out,
        is_latest,
        -- timestamps
        {{ utc_timestamp('created_date') }} as created_at,
        changed_at,
        seen_from
    from appearances
)

select * from individual_versions
