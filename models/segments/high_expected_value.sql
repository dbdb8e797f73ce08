/*
What:    the tenth of all buyers of whom the most is expected in the next 12 months, rounded up; empty while the
         prediction is not published.
Owner:   crm@example.com
Purpose: marketing
*/
with

ranked as (
    select
        customer_id,
        row_number() over (order by expected_value_12_months_eur desc, customer_id asc) as place,
        count(*) over () as buyer_count
    from {{ ref('expected_value') }}
),

high_expected_value as (
    select customer_id
    from ranked
    where (place - 1) * 10 < buyer_count
)

select * from high_expected_value
