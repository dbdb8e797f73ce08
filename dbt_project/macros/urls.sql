{#- What may be kept of an address: host, path and the parameters that name a campaign. A query string may hold anything of anybody. -#}

{#- Host of an address, in lower case and without `www.`; NULL when it has none. -#}
{% macro url_host(value) -%}
    nullif(
        {{ regexp_remove("lower(regexp_extract(" ~ value ~ ", '^[A-Za-z][A-Za-z0-9+.-]*://([^/?#@]*@)?([^/?#:@]+)', 2))", '^www[.]') }},
        ''
    )
{%- endmacro %}

{#-
    Path of an address or path, without query and fragment. Segments that may be personal are emptied: those with an `@`, and long ones
    without hyphens, as tokens are.
-#}
{% macro safe_path(value) -%}
    nullif(
        {{ regexp_remove(
            "regexp_extract(" ~ value ~ ", '^([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?([^?#]*)', 2)",
            '[^/]*(@|%40)[^/]*|[A-Za-z0-9_=.~]{24,}|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f-]{22}'
        ) }},
        ''
    )
{%- endmacro %}

{#- One parameter of an address's query, decoded; NULL when it is missing or empty. -#}
{% macro url_parameter(value, name) -%}
    nullif(trim({{ url_decoded("replace(regexp_extract(" ~ value ~ ", '[?&]" ~ name ~ "=([^&#]*)', 1), '+', ' ')") }}), '')
{%- endmacro %}

{#- Text with its `%XX` decoded; text that is not well encoded is NULL or stays, and breaks nothing. -#}
{% macro url_decoded(value) -%}
    {{ adapter.dispatch('url_decoded', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__url_decoded(value) -%}
    try(url_decode({{ value }}))
{%- endmacro %}

{% macro spark__url_decoded(value) -%}
    try_url_decode({{ value }})
{%- endmacro %}
