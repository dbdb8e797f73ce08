{#- History: what was believed when, and why, is not rebuilt by --full-refresh. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['model', 'model_version', 'as_of_date'],
    full_refresh=false,
    on_schema_change='append_new_columns',
) }}

with

fits as (
    {{ model_fits() }}
),

model_runs as (
    select
        model,
        model_version,
        as_of_date,
        is_published,
        reason,
        trained_rows,
        parameters
    from fits
    where metric is null
)

select * from model_runs
