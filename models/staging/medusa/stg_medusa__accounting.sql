with

accounting as (
    {{ accounting_rows('medusa', [
        ['customers', 'id', ref('stg_medusa__customers')],
        ['orders', 'id', ref('stg_medusa__order_headers')],
        ['products', 'id', ref('stg_medusa__products')],
    ]) }}
)

select * from accounting
