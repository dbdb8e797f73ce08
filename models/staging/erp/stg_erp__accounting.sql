with

invoice_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
),

accounting as (
    select
        'erp' as source,
        'invoice_lines' as table_name,
        -- a line written twice is two lines sold; that it was is told apart
        line_class || case when is_exact_duplicate then '_written_twice' else '' end as record_class,
        count(*) as records
    from invoice_lines
    group by line_class, is_exact_duplicate
)

select * from accounting
