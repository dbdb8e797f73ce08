with

appearances as (
    {{ latest_appearances('tryton', 'identifiers', key='id', changed_at='last_modified_at') }}
),

party_identifiers as (
    select
        -- ids
        id as party_identifier_id,
        party as party_id,
        -- strings
        {{ text_or_null('type') }} as identifier_type,
        {{ text_or_null('code') }} as code,
        -- booleans
        lower(active) in ('1', 'true') as is_active,
        -- timestamps
        {{ utc_timestamp('last_modified_at') }} as updated_at
    from appearances
)

select * from party_identifiers
