{#- Out of tables with at most one row per person: another such table is one CTE, one join and its columns. -#}
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

relations as (
    select * from {{ ref('int_customers__relations') }}
),

stages as (
    select * from {{ ref('customer_lifecycle') }}
    where left_at is null
),

rfm as (
    select * from {{ ref('customer_rfm') }}
),

acquisitions as (
    select * from {{ ref('customer_acquisitions') }}
),

predictions as (
    select * from {{ ref('int_predictions__customers') }}
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
        relations.account_id,
        relations.household_id,
        coalesce(stages.stage, 'visitor') as lifecycle_stage,
        acquisitions.channel as acquisition_channel,
        acquisitions.campaign as acquisition_campaign,
        rfm.rfm_group,
        people.record_count,
        people.source_count,
        coalesce(identifier_counts.email_count, 0) as email_count,
        coalesce(identifier_counts.phone_count, 0) as phone_count,
        coalesce(identifier_counts.device_count, 0) as device_count,
        coalesce(order_totals.order_count, 0) as order_count,
        relations.ticket_count,
        relations.open_ticket_count,
        relations.open_deal_count,
        relations.abandoned_cart_count,
        {{ days_between('order_totals.last_order_at', as_of()) }} as days_since_last_order,
        rfm.recency_score,
        rfm.frequency_score,
        rfm.monetary_score,
        coalesce(order_totals.revenue_eur, cast(0 as decimal(18, 2))) as revenue_eur,
        relations.open_deal_eur,
        predictions.expected_orders_12_months,
        predictions.expected_value_12_months_eur,
        predictions.churn_probability,
        coalesce(consents.has_email_marketing_consent, false) as has_email_marketing_consent,
        coalesce(consents.has_sms_marketing_consent, false) as has_sms_marketing_consent,
        coalesce(consents.has_phone_marketing_consent, false) as has_phone_marketing_consent,
        coalesce(consents.has_analytics_consent, false) as has_analytics_consent,
        coalesce(consents.has_advertising_consent, false) as has_advertising_consent,
        golden.birth_date,
        people.first_seen_at,
        people.last_event_at,
        stages.entered_at as lifecycle_stage_since,
        order_totals.first_order_at,
        order_totals.last_order_at
    from people
    inner join relations on people.customer_id = relations.customer_id
    left join golden on people.customer_id = golden.customer_id
    left join identifier_counts on people.customer_id = identifier_counts.customer_id
    left join consents on people.customer_id = consents.customer_id
    left join order_totals on people.customer_id = order_totals.customer_id
    left join stages on people.customer_id = stages.customer_id
    left join rfm on people.customer_id = rfm.customer_id
    left join acquisitions on people.customer_id = acquisitions.customer_id
    left join predictions on people.customer_id = predictions.customer_id
)

select * from customers
