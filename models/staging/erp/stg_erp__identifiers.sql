with

card_holders as (
    select * from {{ ref('stg_erp__card_holders') }}
),

identifiers as (
    {{ identifier_rows('erp', {
        'card_holders': [
            ['loyalty_number', 'loyalty_number'],
        ],
    }) }}
)

select * from identifiers
