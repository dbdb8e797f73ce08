{%- set channels = [
    ('email', 'email', 'has_email_marketing_consent'),
    ('sms', 'phone', 'has_sms_marketing_consent'),
    ('phone', 'phone', 'has_phone_marketing_consent'),
] -%}
with

customers as (
    select * from {{ ref('customers') }}
),

addresses as (
    {%- for channel, address, consent in channels %}
    select
        customer_id,
        '{{ channel }}' as channel,
        country_code,
        acquisition_channel,
        lifecycle_stage,
        {{ consent }} as is_allowed,
        {{ as_of() }} as as_of
    from customers
    where {{ address }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from addresses
