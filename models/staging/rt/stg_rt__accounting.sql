with

records as (
    select
        'tickets' as table_name,
        record_class
    from {{ ref('stg_rt__ticket_records') }}
    union all
    select
        'transactions' as table_name,
        record_class
    from {{ ref('stg_rt__transactions') }}
),

accounting as (
    {{ accounting_rows('rt', [
        ['users', 'id', ref('stg_rt__users')],
        ['tickets', 'id', ref('stg_rt__tickets'), ref('stg_rt__ticket_records')],
        [
            'transactions', 'id',
            "records where table_name = 'transactions' and record_class = 'staged'",
            ref('stg_rt__transactions'),
        ],
    ]) }}
    union all
    select
        'rt' as source,
        table_name,
        record_class,
        count(*) as records
    from records
    where record_class <> 'staged'
    group by table_name, record_class
)

select * from accounting
