with

accounting as (
    {{ accounting_rows('zendesk', [
        ['users', 'id', ref('stg_zendesk__users')],
        ['tickets', 'id', ref('stg_zendesk__tickets')],
        ['comments', 'id', ref('stg_zendesk__comments')],
        ['satisfaction_ratings', 'id', ref('stg_zendesk__satisfaction_ratings')],
    ]) }}
)

select * from accounting
