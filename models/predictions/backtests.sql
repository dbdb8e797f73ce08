{#- History, as `model_runs` is. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['model', 'model_version', 'as_of_date', 'metric', 'cut_date'],
    full_refresh=false,
    on_schema_change='append_new_columns',
) }}

with

fits as (
    {{ model_fits() }}
),

backtests as (
    select
        model,
        model_version,
        as_of_date,
        metric,
        value,
        naive_value,
        naive_rule,
        -- NULL would be no key
        coalesce(cut_date, as_of_date) as cut_date,
        horizon_days
    from fits
    where metric is not null
)

select * from backtests
