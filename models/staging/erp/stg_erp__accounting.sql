with

invoice_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
),

accounting as (
    select
        'erp' as source,
        'invoice_lines' as table_name,
        line_class as record_class,
        count(*) as records
    from invoice_lines
    group by line_class
)

select * from accounting
