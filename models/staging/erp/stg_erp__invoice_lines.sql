{{ config(
    materialized='incremental',
    unique_key='line_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_gone_files('erp') }}",
) }}

{%- set content -%}
    md5(concat_ws(
        '|',
        invoice_no, coalesce(stock_code, ''), coalesce(description, ''), coalesce(quantity, ''), invoice_ts,
        coalesce(unit_price, ''), coalesce(customer_id, ''), coalesce(country, '')
    ))
{%- endset %}

with

raw_lines as (
    select * from {{ contents_taken_in('erp', 'invoice_lines', content) }} as invoice_lines
),

-- only lines that are written more than once are sorted
repeated as (
    select content_hash
    from raw_lines
    group by content_hash
    having count(*) > 1
),

-- the till scans an article twice and writes two equal lines: the second is a line of its own
numbered as (
    select
        raw_lines.*,
        row_number() over (
            partition by raw_lines.content_hash, raw_lines._file order by raw_lines._extracted_at, raw_lines._file_id
        ) as occurrence
    from raw_lines
    inner join repeated on raw_lines.content_hash = repeated.content_hash
),

-- but the same line in a second file is the same export handed over again
placed as (
    select
        *,
        row_number() over (partition by content_hash, occurrence order by _extracted_at, _file) as delivery
    from numbered
    union all
    select
        raw_lines.*,
        1 as occurrence,
        1 as delivery
    from raw_lines
    left join repeated on raw_lines.content_hash = repeated.content_hash
    where repeated.content_hash is null
),

typed as (
    select
        -- ids
        md5(_file || '|' || content_hash || '|' || cast(occurrence as string)) as line_id,
        content_hash,
        _file_id as file_id,
        trim(invoice_no) as invoice_id,
        {{ text_or_null('stock_code') }} as product_id,
        {{ text_or_null('customer_id') }} as loyalty_number,
        -- strings
        {{ text_or_null('description') }} as product_title,
        {{ text_or_null('country') }} as country_name,
        '{{ var('erp_currency') }}' as currency,
        _file as file,
        -- numerics: prices below a penny exist, so amounts are rounded per invoice, not per line
        try_cast(quantity as integer) as quantity,
        try_cast(unit_price as decimal(18, 4)) as unit_price,
        cast(try_cast(quantity as integer) * try_cast(unit_price as decimal(18, 4)) as decimal(18, 4)) as amount,
        -- booleans
        upper(trim(invoice_no)) like 'C%' as is_cancellation,
        occurrence > 1 as is_exact_duplicate,
        delivery > 1 as is_delivered_again,
        -- timestamps
        {{ utc_timestamp('invoice_ts') }} as invoiced_at
    from placed
),

classified as (
    select
        *,
        case
            when is_delivered_again then 'delivered_again'
            when is_cancellation and loyalty_number is null then 'cancellation_without_customer'
            when is_cancellation then 'cancellation'
            when loyalty_number is null then 'without_customer'
            when quantity > 0 and unit_price > 0 then 'valid'
            else 'not_a_sale'
        end as line_class
    from typed
)

select * from classified
