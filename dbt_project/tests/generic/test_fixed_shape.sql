{#-
    What every `stg_<source>__<kind>` promises the layers that union it (docs/sources.md): its key is unique, what later layers
    rely on is there, and values come from the agreed lists. One row per fault, never the value itself.
    Money without an amount or a currency, and an order of nobody, stop no run: customers and reporting show them as such.
-#}
{% test fixed_shape(model, kind) %}
    {%- set shapes = {
        'identifiers': {
            'key': ['record_id', 'identifier_type', 'identifier_value'],
            'required': ['source', 'first_seen_at', 'last_seen_at'],
            'filled': ['identifier_value'],
            'accepted': {},
        },
        'attributes': {
            'key': ['record_id', 'attribute', 'value'],
            'required': ['source', 'is_verified', 'observed_at'],
            'filled': ['value'],
            'accepted': {'attribute': [
                'first_name', 'last_name', 'full_name', 'birth_date', 'street', 'city', 'postal_code', 'country_code', 'language',
                'company_name', 'company_domain', 'job_title', 'age_band', 'income_band', 'email', 'phone', 'national_id',
            ]},
        },
        'events': {
            'key': ['event_id'],
            'required': ['source', 'record_id', 'event_type', 'occurred_at', 'received_at'],
            'filled': ['event_type'],
            'accepted': {'channel': ['web', 'app', 'email', 'sms', 'store', 'support', 'crm']},
        },
        'consents': {
            'key': ['record_id', 'purpose', 'channel', 'captured_at'],
            'required': ['source'],
            'filled': [],
            'accepted': {
                'purpose': ['marketing', 'analytics', 'advertising'],
                'channel': ['email', 'sms', 'phone', 'web'],
                'status': ['granted', 'denied', 'withdrawn', 'unknown'],
                'legal_basis': ['consent', 'legitimate_interest'],
            },
        },
        'orders': {
            'key': ['order_id'],
            'required': ['source', 'order_number', 'ordered_at', 'item_count', 'discount_amount'],
            'filled': [],
            'accepted': {
                'status': ['open', 'paid', 'refunded', 'partially_refunded', 'cancelled'],
                'channel': ['web', 'store', 'phone'],
            },
        },
        'order_lines': {
            'key': ['order_line_id'],
            'required': ['source', 'order_id'],
            'filled': [],
            'accepted': {},
        },
        'refunds': {
            'key': ['refund_id'],
            'required': ['source', 'refunded_at'],
            'filled': [],
            'accepted': {
                'channel': ['web', 'store', 'phone'],
                'reason': ['refund', 'return', 'correction'],
            },
        },
        'product_variants': {
            'key': ['product_id', 'variant_id'],
            'required': ['source'],
            'filled': ['product_id'],
            'accepted': {},
        },
        'leads': {
            'key': ['lead_id'],
            'required': ['source', 'record_id', 'is_converted'],
            'filled': [],
            'accepted': {},
        },
        'deals': {
            'key': ['deal_id', 'appearance'],
            'required': ['source', 'seen_from'],
            'filled': [],
            'accepted': {},
        },
        'tickets': {
            'key': ['ticket_id'],
            'required': ['source', 'status', 'comment_count', 'opened_at'],
            'filled': [],
            'accepted': {},
        },
        'companies': {
            'key': ['company_id'],
            'required': ['source'],
            'filled': [],
            'accepted': {},
        },
        'logins': {
            'key': ['record_id', 'owner_record_id', 'logged_in_at'],
            'required': ['source', 'last_seen_at'],
            'filled': [],
            'accepted': {},
        },
        'accounting': {
            'key': ['table_name', 'record_class'],
            'required': ['source', 'records'],
            'filled': [],
            'accepted': {},
        },
    } -%}
    {%- if kind not in shapes -%}
        {{ exceptions.raise_compiler_error("fixed_shape: no kind '" ~ kind ~ "'; there are " ~ shapes | join(', ')) }}
    {%- endif -%}
    {%- set shape = shapes[kind] -%}

    {%- set checks = [] -%}
    {%- for column in shape.key + shape.required -%}
        {%- do checks.append((column ~ ' is missing', column ~ ' is null')) -%}
    {%- endfor -%}
    {%- for column in shape.filled -%}
        {%- do checks.append((column ~ ' is empty', 'trim(' ~ column ~ ") = ''")) -%}
    {%- endfor -%}
    {%- for column, values in shape.accepted.items() -%}
        {%- do checks.append((
            column ~ ' has a value that is not agreed', 'coalesce(' ~ column ~ ", '') not in ('" ~ values | join("', '") ~ "')"
        )) -%}
    {%- endfor -%}
    {%- if kind == 'identifiers' -%}
        {%- do checks.append(('identifier_type has no row in seeds/identity_policy.csv', 'is_unknown_type')) -%}
    {%- endif %}

    with

    repeated_keys as (
        select count(*) as rows_of_key
        from {{ model }}
        group by {{ shape.key | join(', ') }}
        having count(*) > 1
    ),

    -- many of these models are views: all columns are looked at in one pass
    counted as (
        select
            {%- for _, condition in checks %}
            sum(case when {{ condition }} then 1 else 0 end) as count_{{ loop.index }}{{ ',' if not loop.last }}
            {%- endfor %}
        {%- if kind == 'identifiers' %}
        from (
            select
                identifiers.*,
                identity_policy.identifier_type is null as is_unknown_type
            from {{ model }} as identifiers
            left join {{ ref('identity_policy') }} as identity_policy
                on identifiers.identifier_type = identity_policy.identifier_type
        ) as identifiers
        {%- else %}
        from {{ model }}
        {%- endif %}
    ),

    faults as (
        select 'the key {{ shape.key | join(', ') }} is not unique' as fault, count(*) as row_count
        from repeated_keys
        {%- for fault, _ in checks %}
        union all
        select '{{ fault }}' as fault, count_{{ loop.index }} as row_count
        from counted
        {%- endfor %}
    )

    select * from faults
    where row_count > 0
{% endtest %}
