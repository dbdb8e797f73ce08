with

card_holders as (
    select * from {{ ref('stg_erp__card_holders') }}
),

attributes as (
    {{ attribute_rows('erp', {
        'card_holders': [
            ['country_code', 'country_code'],
        ],
    }) }}
)

select * from attributes
