{#- Several columns are a key together. One row per key that stands more than once, never the key itself. -#}
{% test unique_combination(model, columns) %}
    select count(*) as rows_of_key
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
