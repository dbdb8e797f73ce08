{#-
    History that no source could give again: it is never rebuilt, not even by --full-refresh, and only ever gains rows and ends of stays.
    Each segment writes its own part (dbt_project/macros/segments.sql); on Spark in a partition of its own, so that two may write at once.
-#}
{{ config(
    materialized='incremental',
    full_refresh=false,
    on_schema_change='append_new_columns',
    partition_by=('segment' if target.type == 'spark' else none),
    post_hook="{{ close_removed_segments() }}",
) }}

{#- Before this table was there, the segments wrote into one named `segment_memberships`: it is taken over, once. -#}
{%- set name = 'segment_memberships' %}
{%- set former = adapter.get_relation(this.database, this.schema, name) if execute and not is_incremental() %}

with

nothing_yet as (
    select
        cast(null as {{ dbt.type_string() }}) as segment,
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as timestamp) as entered_at,
        cast(null as timestamp) as left_at
    where 1 = 0
),

stays as (
    select
        segment,
        customer_id,
        entered_at,
        left_at
    from {{ former if former and former.is_table else 'nothing_yet' }}
)

select * from stays
