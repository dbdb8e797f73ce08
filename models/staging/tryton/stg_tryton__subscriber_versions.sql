with

appearances as (
    {{ all_appearances('tryton', 'subscribers', key='id', changed_at='last_modified_at', created_at='create_date') }}
),

subscriber_versions as (
    select
        -- ids: an address is a record of its own, on however many lists it is
        id as subscriber_id,
        'subscribers:' || md5(lower(trim(email))) as record_id,
        -- strings
        {{ text_or_null('email') }} as email,
        {{ text_or_null('list_name') }} as list_name,
        -- booleans
        lower(active) in ('1', 'true') as is_active,
        is_latest,
        -- whether it looks as it was made
        appearance = number_of_appearances
        and {{ utc_timestamp('create_date') }} = changed_at as is_as_made,
        -- timestamps
        changed_at,
        seen_from
    from appearances
)

select * from subscriber_versions
