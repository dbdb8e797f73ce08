with

people_versions as (
    select * from {{ ref('stg_enrichment__people_versions') }}
),

identifiers as (
    {{ identifier_rows('enrichment', {
        'people_versions': [
            ['email', 'email'],
        ],
    }) }}
)

select * from identifiers
