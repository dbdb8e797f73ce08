{#-
    All sources' fixed-shape staging models of one kind (`identifiers`, `attributes`, `events`, `consents`, `orders`, `logins`), one under the
    other; a typed table without rows when no source ships that kind. The list of sources in dbt_project.yml says who ships which;
    docs/sources.md says the columns. `after` maps sources to moments (text): of those only rows extracted later, or of which that is not known.
-#}
{% macro union_sources(kind, after={}) -%}
    {%- set shapes = {
        'identifiers': {
            'source': 'string', 'record_id': 'string', 'identifier_type': 'string', 'identifier_value': 'string',
            'country_code': 'string', 'first_seen_at': 'timestamp', 'last_seen_at': 'timestamp',
        },
        'attributes': {
            'source': 'string', 'record_id': 'string', 'attribute': 'string', 'value': 'string', 'observed_at': 'timestamp',
        },
        'events': {
            'source': 'string', 'event_id': 'string', 'record_id': 'string', 'event_type': 'string', 'channel': 'string',
            'occurred_at': 'timestamp', 'received_at': 'timestamp', 'campaign': 'string', 'product_id': 'string',
            'cart_id': 'string', 'order_id': 'string', 'ticket_id': 'string', 'amount': 'decimal(18, 2)',
            'currency': 'string', 'detail': 'string', 'utm_source': 'string', 'utm_medium': 'string',
            'referrer_host': 'string', 'page_path': 'string', 'device_type': 'string', 'device_record_id': 'string',
            'extracted_at': 'timestamp',
        },
        'consents': {
            'source': 'string', 'record_id': 'string', 'purpose': 'string', 'channel': 'string', 'status': 'string',
            'legal_basis': 'string', 'captured_at': 'timestamp',
        },
        'orders': {
            'source': 'string', 'order_id': 'string', 'record_id': 'string', 'order_number': 'string', 'ordered_at': 'timestamp',
            'status': 'string', 'channel': 'string', 'cart_id': 'string', 'discount_code': 'string', 'item_count': 'integer',
            'gross_amount': 'decimal(18, 2)', 'discount_amount': 'decimal(18, 2)', 'refunded_amount': 'decimal(18, 2)',
            'net_amount': 'decimal(18, 2)', 'currency': 'string',
        },
        'logins': {
            'source': 'string', 'record_id': 'string', 'owner_record_id': 'string', 'logged_in_at': 'timestamp',
            'last_seen_at': 'timestamp',
        },
        'accounting': {'source': 'string', 'table_name': 'string', 'record_class': 'string', 'records': 'bigint'},
    } -%}
    {%- set shipped = [] -%}
    {%- for source, kinds in var('sources').items() if kind in kinds -%}
        {%- do shipped.append((ref('stg_' ~ source ~ '__' ~ kind), after.get(source))) -%}
    {%- endfor -%}
    {%- for relation, moment in shipped %}
    select * from {{ relation }}
    {%- if moment %}
    where extracted_at > cast('{{ moment }}' as timestamp) or extracted_at is null
    {%- endif %}
    {%- if not loop.last %}
    union all
    {%- endif -%}
    {%- else %}
    select
        {%- for column, type in shapes[kind].items() %}
        cast(null as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    where 1 = 0
    {%- endfor %}
{%- endmacro %}
