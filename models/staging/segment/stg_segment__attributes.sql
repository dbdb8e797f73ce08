with

named as (
    select
        record_id,
        first_name,
        last_name,
        email,
        phone,
        lower(split_part(replace(locale, '_', '-'), '-', 1)) as language,
        max(occurred_at) as changed_at
    from {{ ref('stg_segment__messages') }}
    where record_id is not null
    group by record_id, first_name, last_name, email, phone, language
),

attributes as (
    {{ attribute_rows('segment', {
        'named': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['language', 'language'],
        ],
    }) }}
)

select * from attributes
