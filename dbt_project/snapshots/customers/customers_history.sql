{% snapshot customers_history %}

{#-
    What is looked at is what a person says and allows and where they stand. Not counts, money and predictions: these move with every order
    or every day, and the tables they come from have dates of their own.
-#}
{{ config(
    unique_key='customer_id',
    strategy='check',
    updated_at='as_of',
    check_cols=[
        'first_name', 'last_name', 'full_name', 'email', 'phone', 'street', 'city', 'postal_code', 'country_code', 'language',
        'company_name', 'company_domain', 'job_title', 'age_band', 'income_band', 'birth_date', 'lifecycle_stage',
        'has_email_marketing_consent', 'has_sms_marketing_consent', 'has_phone_marketing_consent', 'has_analytics_consent',
        'has_advertising_consent',
    ],
    snapshot_meta_column_names={'dbt_valid_from': 'valid_from', 'dbt_valid_to': 'valid_to', 'dbt_scd_id': 'customer_version_id'},
    pre_hook="{{ reopen_history() }}",
    post_hook="{{ close_history(ref('customers')) }}",
) }}

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    customers.full_name,
    customers.email,
    customers.phone,
    customers.street,
    customers.city,
    customers.postal_code,
    customers.country_code,
    customers.language,
    customers.company_name,
    customers.company_domain,
    customers.job_title,
    customers.age_band,
    customers.income_band,
    customers.birth_date,
    customers.lifecycle_stage,
    customers.has_email_marketing_consent,
    customers.has_sms_marketing_consent,
    customers.has_phone_marketing_consent,
    customers.has_analytics_consent,
    customers.has_advertising_consent,
    clock.as_of
from {{ ref('customers') }} as customers
cross join {{ ref('int_customers__as_of') }} as clock
where {{ history_moves_on() }}

{% endsnapshot %}
