with

records as (
    select
        'contacts' as table_name,
        record_class
    from {{ ref('stg_salesforce__contact_versions') }}
    where is_latest
    union all
    select
        'leads' as table_name,
        record_class
    from {{ ref('stg_salesforce__lead_versions') }}
    where is_latest
    union all
    select
        'accounts' as table_name,
        record_class
    from {{ ref('stg_salesforce__account_records') }}
    union all
    select
        'opportunities' as table_name,
        record_class
    from {{ ref('stg_salesforce__opportunity_versions') }}
    where is_latest
    union all
    select
        'opportunity_contact_roles' as table_name,
        record_class
    from {{ ref('stg_salesforce__opportunity_contact_roles') }}
    union all
    select
        table_name,
        record_class
    from {{ ref('stg_salesforce__activities') }}
    union all
    select
        'individuals' as table_name,
        record_class
    from {{ ref('stg_salesforce__individual_versions') }}
    where is_latest
),

accounting as (
    {{ accounting_rows('salesforce', [
        [
            'contacts', 'id',
            "records where table_name = 'contacts' and record_class = 'staged'",
            "records where table_name = 'contacts'",
        ],
        [
            'leads', 'id',
            "records where table_name = 'leads' and record_class = 'staged'",
            "records where table_name = 'leads'",
        ],
        [
            'accounts', 'id',
            "records where table_name = 'accounts' and record_class = 'staged'",
            "records where table_name = 'accounts'",
        ],
        [
            'opportunities', 'id',
            "records where table_name = 'opportunities' and record_class = 'staged'",
            "records where table_name = 'opportunities'",
        ],
        [
            'opportunity_contact_roles', 'id',
            "records where table_name = 'opportunity_contact_roles' and record_class = 'staged'",
            "records where table_name = 'opportunity_contact_roles'",
        ],
        [
            'tasks', 'id',
            "records where table_name = 'tasks' and record_class = 'staged'",
            "records where table_name = 'tasks'",
        ],
        [
            'events', 'id',
            "records where table_name = 'events' and record_class = 'staged'",
            "records where table_name = 'events'",
        ],
        [
            'individuals', 'id',
            "records where table_name = 'individuals' and record_class = 'staged'",
            "records where table_name = 'individuals'",
        ],
    ]) }}
    union all
    select
        'salesforce' as source,
        table_name,
        record_class,
        count(*) as records
    from records
    where record_class <> 'staged'
    group by table_name, record_class
)

select * from accounting
