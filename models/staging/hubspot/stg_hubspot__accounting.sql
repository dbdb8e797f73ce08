with

records as (
    select
        'contacts' as table_name,
        record_class
    from {{ ref('stg_hubspot__contact_versions') }}
    where is_latest
    union all
    select
        'companies' as table_name,
        record_class
    from {{ ref('stg_hubspot__company_records') }}
    union all
    select
        'deals' as table_name,
        record_class
    from {{ ref('stg_hubspot__deal_versions') }}
    where appearance = 1
    union all
    select
        table_name,
        record_class
    from {{ ref('stg_hubspot__activities') }}
),

accounting as (
    {{ accounting_rows('hubspot', [
        [
            'contacts', 'id',
            "records where table_name = 'contacts' and record_class = 'staged'",
            "records where table_name = 'contacts'",
        ],
        [
            'companies', 'id',
            "records where table_name = 'companies' and record_class = 'staged'",
            "records where table_name = 'companies'",
        ],
        [
            'deals', 'id',
            "records where table_name = 'deals' and record_class = 'staged'",
            "records where table_name = 'deals'",
        ],
        [
            'calls', 'id',
            "records where table_name = 'calls' and record_class = 'staged'",
            "records where table_name = 'calls'",
        ],
        [
            'meetings', 'id',
            "records where table_name = 'meetings' and record_class = 'staged'",
            "records where table_name = 'meetings'",
        ],
        ['deal_pipelines', 'id', ref('stg_hubspot__deal_pipelines')],
        [
            'subscription_statuses',
            'subscriber_id_string',
            ref('stg_hubspot__subscriber_versions') ~ ' where is_latest',
        ],
    ]) }}
    union all
    select
        'hubspot' as source,
        table_name,
        record_class,
        count(*) as records
    from records
    where record_class <> 'staged'
    group by table_name, record_class
)

select * from accounting
