{#- Rows of a seed. dbt-spark's own session pastes values in unquoted, and writes `None` for what is empty. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set batches = [] -%}
    {%- for batch in agate_table.rows | batch(1000) -%}
        {%- set sql -%}
            insert into {{ this.render() }} values
            {% for row in batch -%}
                (
                {%- for value in row -%}
                    {%- set column = agate_table.column_names[loop.index0] -%}
                    {%- set inferred = adapter.convert_type(agate_table, loop.index0) -%}
                    cast({{ 'null' if value is none else "'" ~ escape_single_quotes((value | string).replace('\\', '\\\\')) ~ "'" }} as {{ types.get(column, inferred) }})
                    {%- if not loop.last %}, {% endif -%}
                {%- endfor -%}
                )
                {%- if not loop.last %}, {% endif -%}
            {%- endfor %}
        {%- endset -%}
        {%- do adapter.add_query(sql, abridge_sql_log=true) -%}
        {%- if loop.first -%}{%- do batches.append(sql) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(batches[0] if batches else '') }}
{%- endmacro %}
