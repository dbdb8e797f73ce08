with

appearances as (
    {{ latest_appearances('hubspot', 'companies', key='id', changed_at='updated_at') }}
),

parsed as (
    select
        *,
        {{ json_object('properties', [
            'name', 'domain', 'industry', 'numberofemployees', 'country', 'hs_country_code', 'hs_merged_object_ids',
        ]) }} as company
    from appearances
),

winners as (
    select
        id as winner_id,
        {{ explode_list("split(company.hs_merged_object_ids, ';')") }} as company_id
    from parsed
),

merged_away as (
    select distinct trim(company_id) as company_id from winners
    where trim(company_id) <> winner_id
),

countries as (
    select * from {{ ref('countries') }}
),

company_records as (
    select
        -- ids
        parsed.id as company_id,
        -- strings
        {{ text_or_null('parsed.company.name') }} as company_name,
        {{ text_or_null('lower(parsed.company.domain)') }} as company_domain,
        {{ text_or_null('parsed.company.industry') }} as industry,
        coalesce(upper({{ text_or_null('parsed.company.hs_country_code') }}), countries.country_code) as country_code,
        case
            when merged_away.company_id is not null then 'merged'
            when lower(parsed.archived) = 'true' then 'archived'
            else 'staged'
        end as record_class,
        -- numerics
        try_cast(parsed.company.numberofemployees as integer) as employee_count,
        -- timestamps
        {{ utc_timestamp('parsed.updated_at') }} as updated_at
    from parsed
    left join merged_away on parsed.id = merged_away.company_id
    left join countries on lower(trim(parsed.company.country)) = countries.name
)

select * from company_records
