{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('hubspot', 'contacts', key='id', changed_at='updated_at', created_at='created_at') }}
),

parsed as (
    select
        id,
        is_latest,
        changed_at,
        seen_from,
        coalesce(lower(archived), 'false') = 'true' as is_archived,
        {{ utc_timestamp('created_at') }} as made_at,
        {{ json_object('properties', [
            'firstname', 'lastname', 'email', 'hs_additional_emails', 'phone', 'mobilephone', 'date_of_birth',
            'address', 'city', 'zip', 'country', 'hs_country_region_code', 'hs_language', 'company',
            'associatedcompanyid', 'jobtitle', 'hs_analytics_source', 'lifecyclestage', 'hs_lead_status',
            'hs_lifecyclestage_lead_date', 'hs_email_optout', 'hs_merged_object_ids', 'hs_calculated_merged_vids',
        ]) }} as contact
    from appearances
),

-- of those merged into a contact one property tells the ids, an older one the times as well: `<id>:<milliseconds>;...`
named as (
    select
        *,
        {{ regexp_remove(
            "concat_ws(';', contact.hs_merged_object_ids, contact.hs_calculated_merged_vids)", ':[0-9]+'
        ) }} as merged_contact_ids
    from parsed
),

winners as (
    select
        id as winner_id,
        {{ explode_list("split(merged_contact_ids, ';')") }} as contact_id
    from named
    where is_latest
),

merged_away as (
    select distinct trim(contact_id) as contact_id from winners
    where trim(contact_id) <> winner_id
),

countries as (
    select * from {{ ref('countries') }}
),

contact_versions as (
    select
        -- ids
        named.id as contact_id,
        'contacts:' || named.id as record_id,
        {{ text_or_null('named.contact.associatedcompanyid') }} as company_id,
        {{ text_or_null('named.merged_contact_ids') }} as merged_contact_ids,
        -- strings
        {{ text_or_null('named.contact.firstname') }} as first_name,
        {{ text_or_null('named.contact.lastname') }} as last_name,
        {{ text_or_null('named.contact.email') }} as email,
        {{ text_or_null('named.contact.hs_additional_emails') }} as additional_emails,
        {{ text_or_null('named.contact.phone') }} as phone,
        {{ text_or_null('named.contact.mobilephone') }} as mobile,
        {{ text_or_null('named.contact.address') }} as street,
        {{ text_or_null('named.contact.city') }} as city,
        {{ text_or_null('named.contact.zip') }} as postal_code,
        coalesce(
            upper({{ text_or_null('named.contact.hs_country_region_code') }}), countries.country_code
        ) as country_code,
        {{ text_or_null("lower(split_part(replace(named.contact.hs_language, '_', '-'), '-', 1))") }} as language,
        {{ text_or_null('named.contact.company') }} as company_name,
        {{ text_or_null('named.contact.jobtitle') }} as job_title,
        {{ text_or_null('named.contact.hs_analytics_source') }} as lead_source,
        {{ text_or_null('lower(named.contact.lifecyclestage)') }} as lifecycle_stage,
        {{ text_or_null('named.contact.hs_lead_status') }} as lead_status,
        -- what has become of the record since
        case
            when merged_away.contact_id is not null then 'merged'
            when bool_or(named.is_archived and named.is_latest) over (partition by named.id) then 'archived'
            else 'staged'
        end as record_class,
        -- booleans
        coalesce(lower(named.contact.hs_email_optout), 'false') = 'true' as is_email_opt_out,
        named.is_latest,
        -- dates
        try_cast(named.contact.date_of_birth as date) as birth_date,
        -- timestamps
        {{ utc_timestamp('named.contact.hs_lifecyclestage_lead_date') }} as lead_at,
        named.made_at as created_at,
        named.changed_at,
        named.seen_from
    from named
    left join merged_away on named.id = merged_away.contact_id
    left join countries on lower(trim(named.contact.country)) = countries.name
)

select * from contact_versions
