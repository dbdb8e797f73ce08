{#-
    All sources' fixed-shape staging models of one kind (`identifiers`, `orders`, ...), one under the
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
            'source': 'string', 'record_id': 'string', 'attribute': 'string', 'value': 'string', 'is_verified': 'boolean',
            'observed_at': 'timestamp',
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
            'cancelled_at': 'timestamp', 'status': 'string', 'channel': 'string', 'cart_id': 'string', 'discount_code': 'string',
            'item_count': 'integer', 'gross_amount': 'decimal(18, 2)', 'discount_amount': 'decimal(18, 2)', 'currency': 'string',
        },
        'order_lines': {
            'source': 'string', 'order_line_id': 'string', 'order_id': 'string', 'product_id': 'string', 'sku': 'string',
            'product_name': 'string', 'quantity': 'integer', 'unit_price': 'decimal(18, 4)', 'discount_amount': 'decimal(18, 2)',
            'net_amount': 'decimal(18, 2)', 'currency': 'string',
        },
        'refunds': {
            'source': 'string', 'refund_id': 'string', 'order_id': 'string', 'record_id': 'string', 'channel': 'string',
            'reason': 'string', 'amount': 'decimal(18, 2)', 'currency': 'string', 'refunded_at': 'timestamp',
        },
        'product_variants': {
            'source': 'string', 'product_id': 'string', 'variant_id': 'string', 'sku': 'string', 'product_name': 'string',
            'category': 'string', 'price': 'decimal(18, 2)', 'currency': 'string', 'updated_at': 'timestamp',
        },
        'leads': {
            'source': 'string', 'lead_id': 'string', 'record_id': 'string', 'status': 'string', 'lead_source': 'string',
            'is_converted': 'boolean', 'created_at': 'timestamp', 'updated_at': 'timestamp',
        },
        'deals': {
            'source': 'string', 'deal_id': 'string', 'record_id': 'string', 'company_id': 'string', 'name': 'string',
            'stage': 'string', 'amount': 'decimal(18, 2)', 'currency': 'string', 'probability': 'double',
            'expected_close_date': 'date', 'created_at': 'timestamp', 'seen_from': 'timestamp', 'appearance': 'integer',
        },
        'tickets': {
            'source': 'string', 'ticket_id': 'string', 'record_id': 'string', 'subject': 'string', 'description': 'string',
            'ticket_type': 'string', 'status': 'string', 'priority': 'string', 'channel': 'string', 'comment_count': 'integer',
            'satisfaction_score': 'string', 'opened_at': 'timestamp', 'first_replied_at': 'timestamp',
            'solved_at': 'timestamp', 'updated_at': 'timestamp',
        },
        'companies': {
            'source': 'string', 'company_id': 'string', 'company_domain': 'string', 'name': 'string', 'industry': 'string',
            'employee_count': 'integer', 'country_code': 'string', 'updated_at': 'timestamp',
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

{#- The sources that ship a staging model of at least one of these kinds. -#}
{% macro sources_that_ship(kinds) -%}
    {%- set shipping = [] -%}
    {%- for source, shipped in var('sources').items() if kinds | select('in', shipped) | list -%}
        {%- do shipping.append(source) -%}
    {%- endfor -%}
    {{ return(shipping) }}
{%- endmacro %}
