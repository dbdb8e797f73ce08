{{ config(materialized='connected_components') }}

with

evidence as (
    select * from {{ ref('int_identity__evidence') }}
    where kind = 'link'
),

links as (
    select
        left_id,
        right_id,
        is_current,
        changed_in
    from evidence
)

select * from links
