with

accounting as (
    {{ accounting_rows('shopify', [
        ['customers', 'id', ref('stg_shopify__customers')],
        ['orders', 'id', ref('stg_shopify__order_headers')],
        ['checkouts', 'id', ref('stg_shopify__checkouts')],
        ['products', 'id', ref('stg_shopify__products')],
    ]) }}
)

select * from accounting
