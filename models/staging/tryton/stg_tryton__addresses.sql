with

appearances as (
    {{ latest_appearances('tryton', 'addresses', key='id', changed_at='last_modified_at') }}
),

addresses as (
    select
        -- ids
        id as address_id,
        party as party_id,
        'parties:' || party as record_id,
        -- strings
        {{ text_or_null("replace(street, chr(10), ', ')") }} as street,
        {{ text_or_null('city') }} as city,
        {{ text_or_null('postal_code') }} as postal_code,
        upper({{ text_or_null('country_code') }}) as country_code,
        -- booleans
        lower(active) in ('1', 'true') as is_active,
        -- the one that Tryton puts first: without a place in the order before those with one
        row_number() over (
            partition by party
            order by
                case when lower(active) in ('1', 'true') then 0 else 1 end,
                coalesce(try_cast(sequence as bigint), -1),
                try_cast(id as bigint)
        ) = 1 as is_first,
        -- timestamps
        {{ utc_timestamp('last_modified_at') }} as updated_at
    from appearances
)

select * from addresses
