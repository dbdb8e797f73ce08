with

records as (
    select * from {{ ref('int_customers__records') }}
),

golden as (
    select * from {{ ref('int_customers__golden_attributes') }}
),

order_totals as (
    select * from {{ ref('int_customers__order_totals') }}
),

clock as (
    select as_of from {{ ref('int_customers__as_of') }}
),

marketing_consents as (
    select
        customer_id,
        max(case when channel = 'email' and status = 'granted' then 1 else 0 end) as email,
        max(case when channel = 'sms' and status = 'granted' then 1 else 0 end) as sms
    from {{ ref('customer_consents') }}
    where purpose = 'marketing'
    group by customer_id
),

customers as (
    select
        records.customer_id,
        golden.first_name,
        golden.last_name,
        coalesce(golden.full_name, nullif(trim(concat_ws(' ', golden.first_name, golden.last_name)), '')) as full_name,
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
        records.record_count,
        records.source_count,
        coalesce(order_totals.order_count, 0) as order_count,
        {{ days_between('order_totals.last_order_at', 'clock.as_of') }} as days_since_last_order,
        coalesce(order_totals.revenue_eur, cast(0 as decimal(18, 2))) as revenue_eur,
        coalesce(marketing_consents.email, 0) = 1 as has_email_marketing_consent,
        coalesce(marketing_consents.sms, 0) = 1 as has_sms_marketing_consent,
        cast(golden.birth_date as date) as birth_date,
        records.first_seen_at,
        records.last_event_at,
        order_totals.first_order_at,
        order_totals.last_order_at
    from records
    cross join clock
    left join golden on records.customer_id = golden.customer_id
    left join order_totals on records.customer_id = order_totals.customer_id
    left join marketing_consents on records.customer_id = marketing_consents.customer_id
)

select * from customers
