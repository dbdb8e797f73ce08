with

appearances as (
    {{ latest_appearances('salesforce', 'opportunity_contact_roles', key='id', changed_at='system_modstamp') }}
),

opportunity_contact_roles as (
    select
        -- ids
        id as opportunity_contact_role_id,
        {{ text_or_null('opportunity_id') }} as opportunity_id,
        {{ text_or_null('contact_id') }} as contact_id,
        -- strings
        case when lower(is_deleted) = 'true' then 'archived' else 'staged' end as record_class,
        -- booleans
        coalesce(lower(is_primary), 'false') = 'true' as is_primary,
        -- timestamps
        {{ utc_timestamp('created_date') }} as created_at,
        {{ utc_timestamp('system_modstamp') }} as updated_at
    from appearances
)

select * from opportunity_contact_roles
