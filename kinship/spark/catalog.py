"""What lies in the lake, made known to Spark's catalogue: extraction writes there without Spark."""

from typing import TYPE_CHECKING

import duckdb

from kinship.lake import locations, reach
from kinship.settings import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_raw_tables(session: "SparkSession") -> None:
    """Schemas `raw_<source>` and their tables, under the names the models read them by."""
    with duckdb.connect() as connection:
        reach(connection)
        raw = [one for one in locations(connection) if one[0].startswith("raw_")]
    known = {schema.namespace for schema in session.sql("show schemas").collect()}
    for folder in sorted({schema for schema, _, _ in raw}):
        if folder not in known:
            session.sql(f"create schema if not exists {folder} location '{settings().lake}/{folder}'")
        tables = {table.tableName for table in session.sql(f"show tables in {folder}").collect()}
        for schema, name, location in raw:
            if schema == folder and name not in tables:
                session.sql(f"create table {folder}.{name} using delta location '{location}'")
