{%- set attributes = [
    'first_name', 'last_name', 'full_name', 'email', 'phone', 'birth_date', 'street', 'city', 'postal_code', 'country_code',
    'language', 'company_name', 'company_domain', 'job_title', 'age_band', 'income_band',
] -%}

with

attribute_sources as (
    select * from {{ ref('customer_attribute_sources') }}
),

golden as (
    select
        customer_id,
        {% for attribute in attributes -%}
        max(case when attribute = '{{ attribute }}' then value end) as {{ attribute }}{{ ',' if not loop.last }}
        {% endfor %}
    from attribute_sources
    group by customer_id
)

select * from golden
