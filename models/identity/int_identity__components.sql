{{ config(materialized='connected_components') }}

with

edges as (
    select * from {{ ref('identity_edges') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

links as (
    select
        lefts.node_id as left_id,
        rights.node_id as right_id
    from edges
    inner join records as lefts
        on edges.left_source = lefts.source and edges.left_record_id = lefts.record_id
    inner join records as rights
        on edges.right_source = rights.source and edges.right_record_id = rights.record_id
)

select * from links
