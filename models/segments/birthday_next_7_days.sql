/*
What:    people whose birthday is today or in the next 7 days; who was born on 29 February has it on the 28th in
         other years.
Owner:   crm@example.com
Purpose: marketing
*/
with

days as (
    {%- for ahead in range(8) %}
    select
        cast({{ add_days(as_of(), ahead) }} as date) as day,
        cast({{ add_days(as_of(), ahead + 1) }} as date) as next_day
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

birthdays as (
    select
        customer_id,
        extract(month from birth_date) * 100 + extract(day from birth_date) as month_and_day
    from {{ ref('customers') }}
    where birth_date is not null
),

birthday_next as (
    select birthdays.customer_id
    from birthdays
    inner join days
        on
            birthdays.month_and_day = extract(month from days.day) * 100 + extract(day from days.day)
            or (
                birthdays.month_and_day = 229
                and extract(month from days.day) = 2
                and extract(day from days.day) = 28
                and extract(month from days.next_day) = 3
            )
)

select * from birthday_next
