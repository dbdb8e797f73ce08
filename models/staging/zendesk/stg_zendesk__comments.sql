with

appearances as (
    {{ latest_appearances('zendesk', 'comments', key='id', changed_at='created_at') }}
),

comments as (
    select
        -- ids
        id as comment_id,
        {{ text_or_null('ticket_id') }} as ticket_id,
        {{ text_or_null('author_id') }} as author_id,
        -- strings
        {{ text_or_null('body') }} as body,
        -- booleans
        coalesce(try_cast(public as boolean), true) as is_public,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at
    from appearances
)

select * from comments
