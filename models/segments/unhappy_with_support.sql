/*
What:    people who rated a ticket badly in the last 30 days, or have waited for its solution for more than 3
         days: no campaigns to them now.
Owner:   service@example.com
Purpose: marketing
*/
with

unhappy as (
    select distinct customer_id
    from {{ ref('customer_tickets') }}
    where
        (satisfaction_score = 'bad' and updated_at > {{ add_days(as_of(), -30) }})
        or (is_open and opened_at < {{ add_days(as_of(), -3) }})
)

select * from unhappy
