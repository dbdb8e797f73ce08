{#- Numbers given out stay: a full refresh of this table alone would leave the others speaking of other records. -#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

attributes as (
    select * from {{ ref('int_identity__record_attributes') }}
),

events as (
    {{ union_sources('events') }}
),

orders as (
    {{ union_sources('orders') }}
),

-- a record may do something before, or without ever, naming an identifier: it is a person too
records as (
    select
        source,
        record_id
    from identifiers
    union
    select
        source,
        record_id
    from attributes
    union
    select
        source,
        record_id
    from events
    where record_id is not null
    union
    select
        source,
        record_id
    from orders
    where record_id is not null
),

{% if is_incremental() -%}
known as (
    select * from {{ this }}
),

{% endif -%}
numbered as (
    select
        {% if is_incremental() %}(select coalesce(max(node_id), 0) from known) + {% endif -%}
        cast(row_number() over (order by records.source, records.record_id) as bigint) as node_id,
        md5(records.source || ':' || records.record_id) as record_key,
        records.source,
        records.record_id
    from records
    {%- if is_incremental() %}
    left join known on records.source = known.source and records.record_id = known.record_id
    where known.node_id is null
    {%- endif %}
)

select * from numbered
