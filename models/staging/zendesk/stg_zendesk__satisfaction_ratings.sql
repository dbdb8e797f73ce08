with

appearances as (
    {{ latest_appearances('zendesk', 'satisfaction_ratings', key='id', changed_at='updated_at') }}
),

satisfaction_ratings as (
    select
        -- ids
        id as rating_id,
        {{ text_or_null('ticket_id') }} as ticket_id,
        {{ text_or_null('requester_id') }} as requester_id,
        -- strings
        {{ text_or_null('lower(score)') }} as score,
        {{ text_or_null('comment') }} as comment_text,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        {{ utc_timestamp('updated_at') }} as updated_at
    from appearances
)

select * from satisfaction_ratings
