-- Gross = refunded + cancelled + net, in the order's currency and in euro; one of them unknown makes the net unknown, never 0.
select order_id
from {{ ref('customer_orders') }}
where
    gross_amount <> refunded_amount + cancelled_amount + net_amount
    or gross_amount_eur <> refunded_amount_eur + cancelled_amount_eur + net_amount_eur
    or (net_amount is null) <> (gross_amount is null or refunded_amount is null)
    or (net_amount_eur is null) <> (gross_amount_eur is null or refunded_amount_eur is null or net_amount is null)
