{% snapshot customers_history %}

{#-
    What is looked at is what a person says and allows and where they stand. Not counts, money and predictions: these move with every order
    or every day, and the tables they come from have dates of their own.
-#}
{%- set looked_at = [
    'first_name', 'last_name', 'full_name', 'email', 'phone', 'street', 'city', 'postal_code', 'country_code', 'language',
    'company_name', 'company_domain', 'job_title', 'age_band', 'income_band', 'birth_date', 'lifecycle_stage',
    'has_email_marketing_consent', 'has_sms_marketing_consent', 'has_phone_marketing_consent', 'has_analytics_consent',
    'has_advertising_consent',
] -%}
{{ config(
    unique_key='customer_id',
    strategy='check',
    updated_at='as_of',
    check_cols=looked_at,
    snapshot_meta_column_names={'dbt_valid_from': 'valid_from', 'dbt_valid_to': 'valid_to', 'dbt_scd_id': 'customer_version_id'},
    pre_hook="{{ reopen_history() }}",
    post_hook="{{ close_history(ref('customers')) }}",
) }}

select
    customers.customer_id,
    {%- for column in looked_at %}
    customers.{{ column }},
    {%- endfor %}
    clock.as_of
from {{ ref('customers') }} as customers
cross join {{ ref('int_customers__as_of') }} as clock
where {{ history_moves_on() }} and {{ is_not_in_history('customers', looked_at) }}

{% endsnapshot %}
