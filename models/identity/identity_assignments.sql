{#-
    The registry of ids: appended to, never rewritten, not even by --full-refresh. Everything about ids (who is who now, what merged, what an
    old id became) is read from it, so a run broken off anywhere leaves it whole.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='append_new_columns',
) }}

with

records as (
    select
        records.node_id,
        records.source,
        records.record_id,
        records.first_seen_at,
        coalesce(clusters.default_id, records.node_id) as cluster_id
    from {{ ref('int_identity__records') }} as records
    left join {{ ref('int_identity__clusters') }} as clusters on records.node_id = clusters.node_id
),

{% if is_incremental() -%}
history as (
    select
        *,
        row_number() over (partition by source, record_id order by assigned_in desc) as recency,
        first_value(customer_id) over (partition by source, record_id order by assigned_in) as home_id,
        min(assigned_in) over (partition by source, record_id) as home_in
    from {{ this }}
),

latest as (
    select * from history
    where recency = 1
),

issued as (
    select
        customer_id,
        min(customer_since) as customer_since
    from history
    where customer_id is not null
    group by customer_id
),
{%- else -%}
latest as (
    select
        source,
        record_id,
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as home_id,
        cast(null as bigint) as home_in,
        cast(null as bigint) as assigned_in
    from records
    where 1 = 0
),

issued as (
    select
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as timestamp) as customer_since
    where 1 = 0
),
{%- endif %}

members as (
    select
        records.*,
        latest.customer_id as current_id,
        -- a record that was gone for a while comes back as whom it was first
        coalesce(latest.customer_id, latest.home_id) as old_id,
        latest.home_id,
        latest.home_in,
        latest.assigned_in as old_in
    from records
    left join latest on records.source = latest.source and records.record_id = latest.record_id
),

{{ customer_ids('members', 'issued') }}

assigned as (
    select
        members.source,
        members.record_id,
        persons.customer_id,
        persons.customer_since,
        members.current_id
    from members
    inner join persons on members.cluster_id = persons.cluster_id
),

changed as (
    select
        source,
        record_id,
        customer_id,
        customer_since
    from assigned
    where current_id is null or current_id <> customer_id
    {%- if is_incremental() %}
    union all
    -- a record that is not there any more is nobody's
    select
        latest.source,
        latest.record_id,
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as timestamp) as customer_since
    from latest
    left join records on latest.source = records.source and latest.record_id = records.record_id
    where records.record_id is null and latest.customer_id is not null
    {%- endif %}
)

select
    source,
    record_id,
    customer_id,
    customer_since,
    {% if is_incremental() -%}
    (select coalesce(max(known.assigned_in), 0) + 1 from {{ this }} as known) as assigned_in,
    {%- else -%}
    cast(1 as bigint) as assigned_in,
    {%- endif %}
    {{ current_utc() }} as assigned_at
from changed
