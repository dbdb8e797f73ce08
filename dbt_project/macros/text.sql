{#- Trimmed text; NULL when nothing is left. -#}
{% macro text_or_null(value) -%}
    nullif(trim({{ value }}), '')
{%- endmacro %}

{#- A Python string as an SQL literal. -#}
{% macro text_literal(value) -%}
    {{ adapter.dispatch('text_literal', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__text_literal(value) -%}
    '{{ value.replace("'", "''") }}'
{%- endmacro %}

{% macro spark__text_literal(value) -%}
    '{{ value.replace("\\", "\\\\").replace("'", "\\'") }}'
{%- endmacro %}

{#- A name in snake_case: `Product Viewed` and `productViewed` become `product_viewed`. -#}
{% macro snake_case(value) -%}
    {{ adapter.dispatch('snake_case', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__snake_case(value) -%}
    lower(regexp_replace(regexp_replace(trim({{ value }}), '([a-z0-9])([A-Z])', '\1_\2', 'g'), '[^A-Za-z0-9]+', '_', 'g'))
{%- endmacro %}

{% macro spark__snake_case(value) -%}
    lower(regexp_replace(regexp_replace(trim({{ value }}), '([a-z0-9])([A-Z])', '$1_$2'), '[^A-Za-z0-9]+', '_'))
{%- endmacro %}

{#- A hash of a whole row of `relation` (an alias in the from clause), to break ties the same way every time. -#}
{% macro row_hash(relation) -%}
    {{ adapter.dispatch('row_hash', 'kinship')(relation) }}
{%- endmacro %}

{% macro duckdb__row_hash(relation) -%}
    hash({{ relation }})
{%- endmacro %}

{% macro spark__row_hash(relation) -%}
    xxhash64(struct({{ relation }}.*))
{%- endmacro %}
