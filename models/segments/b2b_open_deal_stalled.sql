/*
What:    contacts of open deals that have been in one stage for more than 30 days: sales calls, marketing keeps still.
Owner:   sales@example.com
Purpose: marketing
*/
with

stalled as (
    select distinct customer_id
    from {{ ref('customer_deal_stages') }}
    where
        customer_id is not null
        and is_open
        and left_at is null
        and entered_at < {{ add_days(as_of(), -30) }}
)

select * from stalled
