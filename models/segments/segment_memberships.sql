{#-
    History that no source could give again: it is never rebuilt, not even by --full-refresh. Each segment writes its
    own part (dbt_project/macros/segments.sql); on Spark in a partition of its own, so that two may write at once.
-#}
{{ config(
    materialized='incremental',
    full_refresh=false,
    on_schema_change='append_new_columns',
    partition_by=('segment' if target.type == 'spark' else none),
    post_hook="{{ close_removed_segments() }}",
) }}

select
    cast(null as {{ dbt.type_string() }}) as segment,
    cast(null as {{ dbt.type_string() }}) as customer_id,
    cast(null as timestamp) as entered_at,
    cast(null as timestamp) as left_at
where 1 = 0
