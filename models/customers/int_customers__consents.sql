with

consents as (
    select
        customer_id,
        purpose || ' by ' || channel as permission
    from {{ ref('customer_consents') }}
    where is_allowed
),

allowed as (
    select
        customer_id,
        max(case when permission = 'marketing by email' then 1 else 0 end) = 1 as has_email_marketing_consent,
        max(case when permission = 'marketing by sms' then 1 else 0 end) = 1 as has_sms_marketing_consent,
        max(case when permission = 'marketing by phone' then 1 else 0 end) = 1 as has_phone_marketing_consent,
        max(case when permission = 'analytics by web' then 1 else 0 end) = 1 as has_analytics_consent,
        max(case when permission = 'advertising by web' then 1 else 0 end) = 1 as has_advertising_consent
    from consents
    group by customer_id
)

select * from allowed
