with

deal_versions as (
    select * from {{ ref('stg_hubspot__deal_versions') }}
    where record_class = 'staged'
),

listed_stages as (
    select
        pipeline_id,
        {{ explode_list(json_objects('stages', {
            'id': none, 'label': none, 'metadata': ['isClosed', 'probability'],
        })) }} as stage
    from {{ ref('stg_hubspot__deal_pipelines') }}
),

deal_stages as (
    select
        pipeline_id,
        stage.id as stage_id,
        {{ text_or_null('stage.label') }} as label,
        coalesce(lower(stage.metadata.isClosed), 'false') = 'true' as is_closed,
        coalesce(try_cast(stage.metadata.probability as double) = 1, false) as is_won
    from listed_stages
),

-- of several contacts the oldest: which of them is the first, HubSpot does not say
contacts as (
    select
        deal_id,
        appearance,
        {{ explode_list(json_objects('contacts', ['id'])) }} as contact
    from deal_versions
),

first_contacts as (
    select
        deal_id,
        appearance,
        min_by(contact.id, try_cast(contact.id as bigint)) as contact_id
    from contacts
    group by deal_id, appearance
),

-- of several companies the primary one: the others' type is `deal_to_company_unlabeled`
companies as (
    select
        deal_id,
        appearance,
        {{ explode_list(json_objects('companies', ['id', 'type'])) }} as company
    from deal_versions
),

first_companies as (
    select
        deal_id,
        appearance,
        min_by(
            company.id,
            case when company.type = 'deal_to_company' then '0' else '1' end || lpad(company.id, 20, '0')
        ) as company_id
    from companies
    group by deal_id, appearance
),

-- a stage of a pipeline of one's own has a number for an id: its label says more, and its pipeline says how it ends
deals as (
    select
        'hubspot' as source,
        deal_versions.deal_id,
        'contacts:' || first_contacts.contact_id as record_id,
        first_companies.company_id,
        deal_versions.deal_name as name,
        case
            when deal_stages.is_closed and deal_stages.is_won then 'closedwon'
            when deal_stages.is_closed then 'closedlost'
            when try_cast(deal_versions.stage_id as bigint) is null then deal_versions.stage_id
            else coalesce(deal_stages.label, deal_versions.stage_id)
        end as stage,
        deal_versions.amount,
        deal_versions.currency,
        deal_versions.probability,
        deal_versions.close_date as expected_close_date,
        deal_versions.created_at,
        coalesce(deal_versions.seen_from, deal_versions.changed_at) as seen_from,
        deal_versions.appearance
    from deal_versions
    left join deal_stages
        on deal_versions.pipeline_id = deal_stages.pipeline_id and deal_versions.stage_id = deal_stages.stage_id
    left join first_contacts
        on
            deal_versions.deal_id = first_contacts.deal_id
            and deal_versions.appearance = first_contacts.appearance
    left join first_companies
        on
            deal_versions.deal_id = first_companies.deal_id
            and deal_versions.appearance = first_companies.appearance
)

select * from deals
