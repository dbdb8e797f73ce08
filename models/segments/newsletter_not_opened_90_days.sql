/*
What:    people who got three mails or more in the last 90 days and opened none: stop writing, it harms the
         sender's name.
Owner:   growth@example.com
Purpose: marketing
*/
with

mails as (
    select
        customer_id,
        count(case when event_type = 'email_received' then 1 end) as received_count,
        count(case when event_type in ('email_opened', 'email_clicked', 'email_replied') then 1 end) as answered_count
    from {{ ref('customer_events') }}
    where
        event_type in ('email_received', 'email_opened', 'email_clicked', 'email_replied')
        and occurred_at > {{ add_days(as_of(), -90) }}
    group by customer_id
),

newsletter_not_opened as (
    select customer_id
    from mails
    where received_count >= 3 and answered_count = 0
)

select * from newsletter_not_opened
