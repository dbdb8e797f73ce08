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
        -- what counts at no level joins nobody: one in ten of the weakest would be right, and they would join everybody
        is_current and level < 3 as is_current,
        changed_in
    from evidence
)

select * from links
