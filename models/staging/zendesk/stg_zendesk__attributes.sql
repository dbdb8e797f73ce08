with

end_users as (
    select * from {{ ref('stg_zendesk__user_versions') }}
    where is_end_user
),

attributes as (
    {{ attribute_rows('zendesk', {
        'end_users': [
            ['full_name', 'full_name'],
            ['language', 'language'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
    }) }}
)

select * from attributes
