{#-
    A date of birth in ISO 8601 from `1980-02-01`, `1980/2/1`, `19800201`, `1.2.1980`, and from `13/2/1980`, `2/13/1980`
    or `2/2/1980`, where day and month cannot be taken for each other. NULL for any other notation, for what is no date,
    and outside 1800 to 2199. Placeholders such as 1900-01-01 are dates. 1 M distinct values take .7 s of CPU time on
    DuckDB.
-#}
{% macro normalise_birth_date(value) -%}
    {%- set text = "trim(" ~ value ~ ")" -%}
    {%- set year = '((?:1[89]|2[01])[0-9]{2})' -%}
    {%- set number = '([0-9]{1,2})' -%}
    {%- set no_month = '(1[3-9]|2[0-9]|3[01])' -%}
    {%- set same = [] -%}
    {%- for month in range(1, 13) -%}
        {%- do same.append(("0?%d[-/](0?%d)" % (month, month)) if month < 10 else "%d[-/](%d)" % (month, month)) -%}
    {%- endfor -%}
    {%- set notations = [
        [year ~ '([0-9]{2})([0-9]{2})', '$1-$2-$3'],
        [year ~ '[-/.]' ~ number ~ '[-/.]' ~ number ~ '(?:[T ].*)?', '$1-$2-$3'],
        [number ~ '[.] ?' ~ number ~ '[.] ?' ~ year, '$3-$2-$1'],
        [no_month ~ '[-/]' ~ number ~ '[-/]' ~ year, '$3-$2-$1'],
        [number ~ '[-/]' ~ no_month ~ '[-/]' ~ year, '$3-$1-$2'],
    ] -%}
    cast(try_cast(case
        {%- for pattern, order in notations %}
        when {{ regexp_full_match(text, pattern) }} then {{ regexp_swap(text, '^' ~ pattern ~ '$', order) }}
        {%- endfor %}
        {%- for pattern in same %}
        when {{ regexp_full_match(text, pattern ~ '[-/]' ~ year) }}
            then {{ regexp_swap(text, '^' ~ pattern ~ '[-/]' ~ year ~ '$', '$2-$1-$1') }}
        {%- endfor %}
    end as date) as string)
{%- endmacro %}
