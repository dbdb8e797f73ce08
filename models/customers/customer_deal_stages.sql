with

deal_stays as (
    select * from {{ ref('int_customers__deal_stays') }}
),

customer_deals as (
    select * from {{ ref('customer_deals') }}
),

deal_stages as (
    select * from {{ ref('deal_stages') }}
),

customer_deal_stages as (
    select
        deal_stays.deal_id || ':' || cast(deal_stays.stay_number as string) as deal_stage_id,
        deal_stays.deal_id,
        customer_deals.customer_id,
        customer_deals.account_id,
        deal_stays.stage,
        deal_stays.previous_stage,
        cast(deal_stays.stay_number as integer) as stay_number,
        deal_stages.position,
        coalesce(deal_stages.is_open, true) as is_open,
        coalesce(deal_stages.is_won, false) as is_won,
        {{ days_between('deal_stays.entered_at', 'coalesce(deal_stays.left_at, ' ~ as_of() ~ ')') }} as days_in_stage,
        deal_stays.entered_at,
        deal_stays.left_at
    from deal_stays
    inner join customer_deals on deal_stays.deal_id = customer_deals.deal_id
    left join deal_stages on deal_stays.stage = deal_stages.stage
)

select * from customer_deal_stages
