{#-
    Normal forms: two ways of writing one thing come out equal, what cannot be one comes out NULL, and a normal form is
    its own normal form. Names, addresses, e-mail, telephone numbers and dates have files of their own
    (normalise_*.sql); here are ids and `normal_forms`, which models use. tests/test_identity_*.py hold each against a
    well-kept library.
-#}

{#-
    The normal form of each distinct value of `relation`, which has kind (an identifier type or attribute), value and
    country_code (ISO 3166, of the record; not NULL).

    One row per kind, value and country_code, with normal_value, NULL where the value is none. A kind that is not known
    is an id. To be joined back: a value stands on several records and in several sources, and a pattern is dearer than
    a hash join. 1 M identifiers take 2.2 to 2.6 s of CPU time on DuckDB (a third of the values distinct, or all); 8 M
    attributes of 1 M records 24 s. Steps stand in queries of their own because an expression inside `case` is worked
    out again wherever it is written.
-#}
{% macro normal_forms(relation) -%}
    with

    written as (
        select distinct
            kind,
            value,
            country_code
        from {{ relation }}
    ),

    small as (
        select
            *,
            lower(case
                when kind in ('given_name', 'family_name', 'city', 'other') then value
                when kind = 'full_name' then {{ names_in_order('value') }}
                when kind = 'given_name_of' then {{ given_part('value') }}
                when kind = 'family_name_of' then {{ family_part('value') }}
                when kind = 'street' then {{ marked_units('value') }}
            end) as text
        from written
    ),

    spoken as (
        select
            kind,
            value,
            country_code,
            {{ sounds('text') }} as text
        from small
    ),

    latin as (
        select
            kind,
            value,
            country_code,
            {{ one_letter_each('text') }} as letters
        from spoken
    ),

    folded as (
        select
            kind,
            value,
            country_code,
            {{ plain_words('letters') }} as words
        from latin
    ),

    cleaned as (
        select
            *,
            case
                when kind = 'email' then {{ email_address('value') }}
                when kind = 'phone' then {{ phone_digits('value') }}
                when kind in ('anonymous_id', 'device_id') then {{ normalise_device_id('value') }}
                when kind = 'company_domain' then {{ normalise_domain('value') }}
                when kind = 'national_id' then {{ normalise_national_id('value') }}
                when kind = 'postcode' then {{ normalise_postcode('value') }}
                when kind = 'birth_date' then {{ normalise_birth_date('value') }}
                when kind = 'country' then {{ normalise_country_code('value') }}
                when kind in ('given_name', 'family_name', 'full_name') then {{ without_titles('words') }}
                when kind = 'given_name_of' then {{ first_name('words') }}
                when kind = 'family_name_of' and {{ has_comma('value') }} then {{ without_titles('words') }}
                when kind = 'family_name_of' then {{ last_name('words') }}
                when kind = 'street' then {{ street_words('words') }}
                when kind in ('city', 'other') then words
                else {{ normalise_id('value') }}
            end as cleaned_value
        from folded
    ),

    ruled as (
        select
            cleaned.*,
            countries.calling_code,
            coalesce(countries.trunk_prefix, '') as trunk_prefix,
            country_names.country_code as named_code,
            coalesce(providers.canonical_domain, '') as canonical_domain,
            coalesce(providers.ignores_dots, other_providers.ignores_dots) as ignores_dots,
            case
                when providers.domain is null then coalesce(other_providers.tag_separators, '')
                else coalesce(providers.tag_separators, '')
            end as tag_separators,
            coalesce(providers.is_free, false) as is_free
        from cleaned
        left join {{ ref('country_calling_codes') }} as countries
            on case when cleaned.kind = 'phone' then cleaned.country_code end = countries.country_code
        left join {{ ref('countries') }} as country_names
            on case when cleaned.kind = 'country' then lower(trim(cleaned.value)) end = country_names.name
        left join {{ ref('email_providers') }} as providers
            on
                case cleaned.kind
                    when 'email' then split_part(cleaned.cleaned_value, '@', 2)
                    when 'company_domain' then cleaned.cleaned_value
                end = providers.domain
        left join {{ ref('email_providers') }} as other_providers on other_providers.domain = '*'
    ),

    finished as (
        select
            kind,
            value,
            country_code,
            case
                when kind = 'email' then
                    {{ mailbox_of_provider('cleaned_value', 'canonical_domain', 'ignores_dots', 'tag_separators') }}
                when kind = 'phone' then {{ e164_of_country('cleaned_value', 'calling_code', 'trunk_prefix') }}
                when kind = 'street' then {{ number_first('cleaned_value') }}
                when kind = 'company_domain' and is_free then null
                when kind = 'country' then coalesce(named_code, cleaned_value)
                else cleaned_value
            end as normal_value
        from ruled
    )

    select * from finished
{%- endmacro %}

{#- Any other identifier: trimmed, otherwise as written (ids of some systems differ in case alone). NULL when empty. -#}
{% macro normalise_id(value) -%}
    nullif(trim({{ value }}), '')
{%- endmacro %}

{#-
    The id of a device, an advertising id or a cookie: small letters, without braces; 32 hexadecimal digits get the
    dashes of a UUID (RFC 9562). NULL for what trackers send when they know none: a word such as `null`, or one
    character over and over, as in the id of zeros of a device that opted out.
-#}
{% macro normalise_device_id(value) -%}
    {%- set uuid = '^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$' -%}
    {%- set plain = "lower(translate(trim(" ~ value ~ "), '{} ', ''))" -%}
    case
        when {{ plain }} in (
            '', '0', 'null', 'none', 'nil', 'nan', 'undefined', 'unknown', 'anonymous', 'n/a', 'na',
            'notset', '(notset)'
        ) then null
        when length({{ plain }}) > 7 and replace(replace({{ plain }}, '-', ''), substr({{ plain }}, 1, 1), '') = ''
            then null
        when length({{ plain }}) <> 32 then {{ plain }}
        else {{ regexp_swap(plain, uuid, '$1-$2-$3-$4-$5') }}
    end
{%- endmacro %}

{#-
    The domain of a URL, a bare domain or an e-mail address, in small letters, without `www`, path and port. NULL when
    there is none (an IP address is none).
-#}
{% macro normalise_domain(value) -%}
    {%- set before = '(?:[a-z][a-z0-9+.-]*:/+|mailto:)?(?:[^ /?#@]*@)?(?:www[0-9]*[.])*' -%}
    {%- set label = '[^ /:?#@,;<>(){}.]+' -%}
    {%- set top = '[^ /:?#@,;<>(){}.0-9][^ /:?#@,;<>(){}.]+' -%}
    {#- RE2 and Java write a class with brackets in it differently -#}
    nullif(regexp_extract(
        translate(lower(trim({{ value }})), '[]', '()'),
        '^{{ before }}({{ label }}(?:[.]{{ label }})*[.]{{ top }})[.]?(?:[/:?#].*)?$',
        1
    ), '')
{%- endmacro %}

{#- A national or tax id: capitals and digits only. NULL when shorter than 4 or all of one character. -#}
{% macro normalise_national_id(value) -%}
    {%- set plain = regexp_remove("upper(" ~ value ~ ")", '[^0-9A-Z]') -%}
    case when length({{ plain }}) > 3 and replace({{ plain }}, substr({{ plain }}, 1, 1), '') <> '' then {{ plain }} end
{%- endmacro %}

{#- An ISO 3166 alpha-2 code in capitals; NULL when it is none by its look. -#}
{% macro normalise_country_code(value) -%}
    case when {{ regexp_full_match("upper(trim(" ~ value ~ "))", '[A-Z]{2}') }} then upper(trim({{ value }})) end
{%- endmacro %}
