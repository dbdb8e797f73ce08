{%- set changes = ref('int_identity__attribute_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_identity__attribute_changes'), ['source', 'record_id']) }}",
) }}

{%- set columns = [
    'given_name', 'family_name', 'full_name', 'birth_date', 'email', 'phone', 'street', 'city', 'postcode', 'country', 'national_id',
] -%}
{%- set derived = ['given_name_canonical', 'given_name_key', 'family_name_key'] -%}
{%- set others = var('identity_other_attributes') -%}
{%- set other_columns = [] -%}
{%- for attribute in others -%}
    {%- do other_columns.append('other_' ~ loop.index) -%}
{%- endfor -%}
with

observed as (
    select told.*
    from (
        {{ union_sources('attributes') }}
    ) as told
    {%- if is_incremental() %}
    inner join ({{ touched(changes, ['source', 'record_id']) }}) as records
        on told.source = records.source and told.record_id = records.record_id
    {%- endif %}
),

-- which column an attribute fills, and the normal form it takes; a full name fills three
places as (
    {%- for attribute, column_name, kind in [
        ('first_name', 'given_name', 'given_name'),
        ('last_name', 'family_name', 'family_name'),
        ('full_name', 'full_name', 'full_name'),
        ('full_name', 'given_name_of', 'given_name_of'),
        ('full_name', 'family_name_of', 'family_name_of'),
        ('birth_date', 'birth_date', 'birth_date'),
        ('email', 'email', 'email'),
        ('phone', 'phone', 'phone'),
        ('street', 'street', 'street'),
        ('city', 'city', 'city'),
        ('postal_code', 'postcode', 'postcode'),
        ('country_code', 'country', 'country'),
        ('national_id', 'national_id', 'national_id'),
    ] %}
    select '{{ attribute }}' as attribute, '{{ column_name }}' as column_name, '{{ kind }}' as kind
    {{- '\n    union all' if not loop.last or others }}
    {%- endfor -%}
    {%- for attribute in others %}
    select '{{ attribute }}' as attribute, 'other_{{ loop.index }}' as column_name, '{{ 'company_domain' if attribute == 'company_domain' else 'other' }}' as kind
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

record_countries as (
    select
        observed.source,
        observed.record_id,
        max_by(names.country_code, observed.observed_at) as country_code
    from observed
    inner join {{ ref('countries') }} as names on names.name = lower(observed.value)
    where observed.attribute = 'country_code'
    group by observed.source, observed.record_id
),

placed as (
    select
        observed.source,
        observed.record_id,
        places.column_name,
        places.kind,
        observed.value,
        case when places.kind = 'phone' then coalesce(record_countries.country_code, '') else '' end as country_code,
        observed.observed_at
    from observed
    inner join places on observed.attribute = places.attribute
    left join record_countries
        on observed.source = record_countries.source and observed.record_id = record_countries.record_id
),

normal_forms as (
    {{ normal_forms('placed') }}
),

-- of several values the latest that has a normal form
ranked as (
    select
        placed.source,
        placed.record_id,
        placed.column_name,
        normal_forms.normal_value,
        row_number() over (
            partition by placed.source, placed.record_id, placed.column_name
            order by placed.observed_at desc, normal_forms.normal_value asc
        ) as recency
    from placed
    inner join normal_forms
        on
            placed.kind = normal_forms.kind
            and placed.value = normal_forms.value
            and placed.country_code = normal_forms.country_code
    where normal_forms.normal_value is not null
),

latest as (
    select * from ranked
    where recency = 1
),

wide as (
    select
        {%- for column_name in columns + other_columns + ['given_name_of', 'family_name_of'] %}
        max(case when column_name = '{{ column_name }}' then normal_value end) as {{ column_name }},
        {%- endfor %}
        source,
        record_id
    from latest
    group by source, record_id
),

named as (
    select
        wide.*,
        coalesce(wide.given_name, wide.given_name_of) as first_name,
        coalesce(wide.family_name, wide.family_name_of) as last_name
    from wide
),

called as (
    select
        named.*,
        coalesce(nicknames.name, split_part(named.first_name, ' ', 1)) as given_name_canonical
    from named
    left join {{ ref('nicknames') }} as nicknames on split_part(named.first_name, ' ', 1) = nicknames.nickname
),

-- many records share few names
names as (
    select given_name_canonical as name from called
    union
    select last_name as name from called
),

name_keys as (
    select
        name,
        {{ name_key('name') }} as name_key
    from names
),

-- the order of the columns is a contract with the matching package and with the models that were trained on it
attributes as (
    select
        called.source,
        called.record_id,
        called.first_name as given_name,
        called.last_name as family_name,
        coalesce(called.full_name, called.first_name || ' ' || called.last_name) as full_name,
        called.birth_date,
        called.email,
        called.phone,
        called.street,
        called.city,
        called.postcode,
        called.country,
        called.national_id,
        {%- for column_name in other_columns %}
        called.{{ column_name }},
        {%- endfor %}
        called.given_name_canonical,
        given_keys.name_key as given_name_key,
        family_keys.name_key as family_name_key
    from called
    left join name_keys as given_keys on called.given_name_canonical = given_keys.name
    left join name_keys as family_keys on called.last_name = family_keys.name
),

hashed as (
    select
        *,
        md5(
            {%- for column_name in columns + other_columns + derived %}
            {{ '|| ' if not loop.first }}coalesce({{ column_name }}, '') || '|'
            {%- endfor %}
        ) as attributes_hash,
        {{ changes_up_to(changes) }} as changed_at
    from attributes
)

select * from hashed
