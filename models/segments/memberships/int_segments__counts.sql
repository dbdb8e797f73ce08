{#- What was counted at each as-of moment, by the ids of that moment: kept as it was told, like the stays. -#}
{{ config(
    materialized='incremental',
    full_refresh=false,
    on_schema_change='append_new_columns',
    partition_by=('segment' if target.type == 'spark' else none),
) }}

select
    cast(null as {{ dbt.type_string() }}) as segment,
    cast(null as timestamp) as as_of,
    cast(null as bigint) as customer_count,
    cast(null as bigint) as member_count,
    cast(null as bigint) as entered_count,
    cast(null as bigint) as left_count,
    cast(null as bigint) as email_reachable_count,
    cast(null as bigint) as sms_reachable_count
where 1 = 0
