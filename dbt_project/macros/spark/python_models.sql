{#- How a Python model's rows become a table: kinship/spark/dbt.py runs this text in the session. A model may return Arrow. -#}
{% macro py_write_table(compiled_code, target_relation) -%}
{{ compiled_code }}
dbt = dbtObj(spark.table)
rows = model(dbt, spark)
if not hasattr(rows, "write"):
    rows = spark.createDataFrame(rows)
rows.write.mode("overwrite").format("delta").option("overwriteSchema", "true").saveAsTable("{{ target_relation }}")
{%- endmacro %}
