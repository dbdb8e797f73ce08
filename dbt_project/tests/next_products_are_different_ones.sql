-- nobody gets a product or a rank twice, and ranks go by the score
with

next_products as (
    select
        *,
        lead(score) over (partition by customer_id order by product_rank) as next_score
    from {{ ref('next_products') }}
)

select customer_id
from next_products
group by customer_id
having
    count(distinct product_id) < count(*)
    or count(distinct product_rank) < count(*)
    or max(product_rank) > least(count(*), 10)
    or max(case when next_score > score then 1 else 0 end) = 1
