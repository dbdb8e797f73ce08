{#- What the golden record's models share: the attributes that are known, and the rules of the seed `survivorship` (docs/profile.md). -#}

{#- The normal form that makes two spellings of an attribute one value (macro `normal_forms`); `id` for an attribute that is not known. -#}
{% macro attribute_kind(attribute) -%}
    case {{ attribute }}
        when 'first_name' then 'given_name'
        when 'last_name' then 'family_name'
        when 'full_name' then 'full_name'
        when 'birth_date' then 'birth_date'
        when 'email' then 'email'
        when 'phone' then 'phone'
        when 'street' then 'street'
        when 'city' then 'city'
        when 'postal_code' then 'postcode'
        when 'country_code' then 'country'
        when 'company_domain' then 'company_domain'
        when 'national_id' then 'national_id'
        {%- for attribute in ['company_name', 'job_title', 'language', 'age_band', 'income_band'] + var('identity_other_attributes') %}
        when '{{ attribute }}' then 'other'
        {%- endfor %}
        else 'id'
    end
{%- endmacro %}

{#- The place of a source in an order such as `vtiger shopify`: smaller goes first; who is not named comes after all who are. -#}
{% macro place_in_order(source, source_order) -%}
    coalesce(nullif(instr(' ' || {{ source_order }} || ' ', ' ' || {{ source }} || ' '), 0), 1000000)
{%- endmacro %}

{#-
    Stops the run when a row of the seed `survivorship` cannot be meant: an unknown rule, attribute or source, an attribute twice, no row `*`,
    or attributes that go together under two rules or orders. Returns no SQL.
-#}
{% macro check_survivorship() -%}
    {%- if execute -%}
        {%- set rules = ['source_priority', 'most_recent', 'most_frequent', 'verified_first', 'longest'] -%}
        {%- set rows = run_query(
            "select attribute, rule, coalesce(source_order, ''), coalesce(together, ''), " ~ attribute_kind('attribute') ~ " from " ~ ref('survivorship')
            ~ " order by attribute, rule"
        ).rows -%}
        {%- set faults = [] -%}
        {%- set seen = [] -%}
        {%- set groups = {} -%}
        {%- for attribute, rule, source_order, together, kind in rows -%}
            {%- if attribute in seen -%}
                {%- do faults.append(attribute ~ ": two rows; an attribute has one") -%}
            {%- endif -%}
            {%- do seen.append(attribute) -%}
            {%- if attribute != '*' and kind == 'id' -%}
                {%- do faults.append(attribute ~ ": no such attribute; docs/sources.md lists them, and the variable identity_other_attributes has your own") -%}
            {%- endif -%}
            {%- if rule not in rules -%}
                {%- do faults.append(attribute ~ ": no rule '" ~ rule ~ "'; the rules are " ~ rules | join(', ')) -%}
            {%- endif -%}
            {%- for source in source_order.split() if source not in var('sources') -%}
                {%- do faults.append(attribute ~ ": no source '" ~ source ~ "' in the list of sources (dbt_project.yml)") -%}
            {%- endfor -%}
            {%- if together and groups.setdefault(together, [rule, source_order]) != [rule, source_order] -%}
                {%- do faults.append(attribute ~ ": goes together with '" ~ together ~ "' but has another rule or order than the rest of it") -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if '*' not in seen -%}
            {%- do faults.append("no row '*' for the attributes without one of their own") -%}
        {%- endif -%}
        {%- if faults -%}
            {{ exceptions.raise_compiler_error("seeds/survivorship.csv: " ~ faults | join('; ')) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
