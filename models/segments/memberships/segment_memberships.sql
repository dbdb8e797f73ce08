{{ config(materialized='table' if target.type == 'spark' else 'view') }}
{{- after_segments() }}

with

segment_memberships as (
    {{ person_stays() }}
)

select * from segment_memberships
