{#- One row per person out of tables with at most one row per person: another such table is one CTE, one join and its columns. -#}
with

people as (
    select * from {{ ref('int_customers__records') }}
),

golden as (
    select * from {{ ref('int_customers__golden_attributes') }}
),

identifier_counts as (
    select * from {{ ref('int_customers__identifier_counts') }}
),

consents as (
    select * from {{ ref('int_customers__consents') }}
),

order_totals as (
    select * from {{ ref('int_customers__order_totals') }}
),

clock as (
    select as_of from {{ ref('int_customers__as_of') }}
),

customers as (
    select
        people.customer_id,
        golden.first_name,
        golden.last_name,
        golden.full_name,
        golden.email,
        golden.phone,
        golden.street,
        golden.city,
        golden.postal_code,
        golden.country_code,
        golden.language,
        golden.company_name,
        golden.company_domain,
        golden.job_title,
        golden.age_band,
        golden.income_band,
        {{ lifecycle_stage(
            'golden.email', 'golden.phone', 'order_totals.order_count', 'order_totals.last_order_at', 'clock.as_of'
        ) }} as lifecycle_stage,
        people.record_count,
        people.source_count,
        coalesce(identifier_counts.email_count, 0) as email_count,
        coalesce(identifier_counts.phone_count, 0) as phone_count,
        coalesce(identifier_counts.device_count, 0) as device_count,
        coalesce(order_totals.order_count, 0) as order_count,
        {{ days_between('order_totals.last_order_at', 'clock.as_of') }} as days_since_last_order,
        coalesce(order_totals.revenue_eur, cast(0 as decimal(18, 2))) as revenue_eur,
        coalesce(consents.has_email_marketing_consent, false) as has_email_marketing_consent,
        coalesce(consents.has_sms_marketing_consent, false) as has_sms_marketing_consent,
        coalesce(consents.has_phone_marketing_consent, false) as has_phone_marketing_consent,
        coalesce(consents.has_analytics_consent, false) as has_analytics_consent,
        coalesce(consents.has_advertising_consent, false) as has_advertising_consent,
        golden.birth_date,
        people.first_seen_at,
        people.last_event_at,
        order_totals.first_order_at,
        order_totals.last_order_at
    from people
    cross join clock
    left join golden on people.customer_id = golden.customer_id
    left join identifier_counts on people.customer_id = identifier_counts.customer_id
    left join consents on people.customer_id = consents.customer_id
    left join order_totals on people.customer_id = order_totals.customer_id
)

select * from customers
