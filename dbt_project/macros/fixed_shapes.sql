{#- The staging models that later layers union have one shape in every source (docs/sources.md). These macros write it. -#}

{#-
    One row per record, identifier type and value.

    `observations` maps relations, each with record_id, country_code, seen_from and changed_at, to pairs [identifier type, column];
    a type may stand more than once. The model becomes a table: its check reads it twice and identity once, and each would group these rows again.
-#}
{% macro identifier_rows(source_name, observations) -%}
    {{- config(materialized='table') -}}
    select
        '{{ source_name }}' as source,
        record_id,
        identifier_type,
        identifier_value,
        -- the country in which the number was first written
        min_by(country_code, seen_from) filter (where country_code is not null) as country_code,
        min(seen_from) as first_seen_at,
        max(changed_at) as last_seen_at
    from (
        {{- value_rows('identifier_type', 'identifier_value', observations, ['country_code', 'seen_from', 'changed_at']) }}
    ) as observed
    group by record_id, identifier_type, identifier_value
{%- endmacro %}

{#-
    One row per record, attribute and value, with when the value was last observed and whether it was ever verified.

    `observations` maps relations, each with record_id and changed_at, to pairs [attribute, column], or to three: the third
    is the condition on which the person is known to own the value. Without one it is not verified. The model becomes a table: five others read it, besides its check.
-#}
{% macro attribute_rows(source_name, observations) -%}
    {{- config(materialized='table') -}}
    select
        '{{ source_name }}' as source,
        record_id,
        attribute,
        value,
        bool_or(is_verified) as is_verified,
        max(changed_at) as observed_at
    from (
        {{- value_rows('attribute', 'value', observations, ['changed_at'], condition='is_verified') }}
    ) as observed
    group by record_id, attribute, value
{%- endmacro %}

{% macro value_rows(name, value, observations, also, condition=none) -%}
    {%- for relation, columns in observations.items() -%}
        {%- set last_relation = loop.last -%}
        {%- for column in columns %}
        select
            record_id,
            '{{ column[0] }}' as {{ name }},
            trim({{ column[1] }}) as {{ value }},
            {% if condition -%}
            coalesce({{ column[2] if column | length > 2 else 'false' }}, false) as {{ condition }},
            {% endif -%}
            {{ also | join(',\n            ') }}
        from {{ relation }}
        where trim({{ column[1] }}) <> ''
            {%- if not (loop.last and last_relation) %}
        union all
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{#- The columns of one kind of event, in their order and types; what is not given is NULL. A misspelt column is refused. -#}
{% macro event_columns(source_name, columns) -%}
    {%- set shape = {
        'event_id': 'string', 'record_id': 'string', 'event_type': 'string', 'channel': 'string', 'occurred_at': 'timestamp',
        'received_at': 'timestamp', 'campaign': 'string', 'product_id': 'string', 'cart_id': 'string', 'order_id': 'string',
        'ticket_id': 'string', 'amount': 'decimal(18, 2)', 'currency': 'string', 'detail': 'string',
        'utm_source': 'string', 'utm_medium': 'string', 'referrer_host': 'string', 'page_path': 'string',
        'device_type': 'string', 'device_record_id': 'string', 'extracted_at': 'timestamp',
    } -%}
    {%- for column in columns if column not in shape -%}
        {{ exceptions.raise_compiler_error("event_columns: no column '" ~ column ~ "'; an event has " ~ shape | join(', ')) }}
    {%- endfor -%}
    '{{ source_name }}' as source
    {%- for column, type in shape.items() %},
        cast({{ columns.get(column, 'null') }} as {{ type }}) as {{ column }}
    {%- endfor -%}
{%- endmacro %}

{#-
    One row per record, purpose, channel and moment out of `relation`, which has record_id, purpose, channel, status, legal_basis,
    captured_at and observed_at. Two statuses at one moment: the one observed last counts, and a refusal before a grant.
    A refusal said again adds nothing; a grant given again is a renewal and stays. Who said yes and says it no more has
    withdrawn, and `unknown` (never asked, or the second step of a double opt-in not done) does not undo a no.
-#}
{% macro consent_rows(source_name, relation) -%}
    select
        '{{ source_name }}' as source,
        record_id,
        purpose,
        channel,
        case when previous_status = 'granted' and status in ('denied', 'unknown') then 'withdrawn' else status end as status,
        legal_basis,
        captured_at
    from (
        select
            *,
            lag(status) over (partition by record_id, purpose, channel order by captured_at) as previous_status
        from (
            select
                *,
                row_number() over (
                    partition by record_id, purpose, channel, captured_at
                    order by
                        observed_at desc,
                        case status when 'withdrawn' then 1 when 'denied' then 2 when 'unknown' then 3 else 4 end
                ) as opinion
            from {{ relation }}
            where captured_at is not null
        ) as opinions
        where opinion = 1
    ) as history
    where
        status = 'granted' or previous_status is null
        or (status <> previous_status and (status <> 'unknown' or previous_status = 'granted'))
{%- endmacro %}

{#-
    One row per table and class of record: what became of the raw records (those in quarantine are counted elsewhere).

    `tables` is a list of [raw table, what identifies a record, the relation it is staged as], or of four: the fourth has one row
    for each record, those included that are of a class of their own. A deleted record counts once, as those do.
-#}
{% macro accounting_rows(source_name, tables) -%}
    {%- for table in tables %}
    {%- set table_name, key, entity = table[:3] %}
    select
        '{{ source_name }}' as source,
        '{{ table_name }}' as table_name,
        record_class,
        case record_class
            when 'staged' then (select count(*) from {{ entity }})
            when 'earlier_appearance' then appearances - records
            else least(deleted_records, records - (select count(*) from {{ table[3] or entity }}))
        end as records
    from (
        -- raw records are many: they are counted in one pass
        select
            count(*) as appearances,
            count(distinct {{ key }}) as records,
            count(distinct case when _kinship_deleted_at is not null then {{ key }} end) as deleted_records
        from {{ raw(source_name, table_name) }} as appearances
    ) as counts
    cross join (
        select 'staged' as record_class
        union all
        select 'earlier_appearance' as record_class
        union all
        select 'deleted' as record_class
    ) as classes
    where record_class <> 'deleted' or deleted_records > 0
        {%- if not loop.last %}
    union all
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
