{#- Run before every dbt command that writes (`on-run-start` in dbt_project.yml). The pipeline keeps in `operations.builds` what the
    tables were built from, so as to build nothing when nothing changed; once dbt has been run by hand that record is no longer
    known to be true. A build of the pipeline's own is still unfinished at this point and stays. -#}
{% macro forget_build() -%}
    {{ return(adapter.dispatch('forget_build', 'kinship')()) }}
{%- endmacro %}

{% macro default__forget_build() -%}
{%- endmacro %}

{% macro duckdb__forget_build() -%}
    create schema if not exists operations;
    create table if not exists operations.builds
        (run_id varchar, fingerprint varchar, started_at timestamptz, finished_at timestamptz);
    delete from operations.builds where finished_at is not null;
{%- endmacro %}
