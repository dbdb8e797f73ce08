"""What lies in the lake, made known to Spark's catalogue: extraction writes there without Spark."""

from pathlib import Path
from typing import TYPE_CHECKING

from kinship.settings import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_raw_tables(session: "SparkSession") -> None:
    """Schemas `raw_<source>` and their tables, under the names the models read them by."""
    known = {schema.namespace for schema in session.sql("show schemas").collect()}
    for folder in sorted(Path(settings().lake).glob("raw_*")):
        if folder.name not in known:
            session.sql(f"create schema if not exists {folder.name} location '{folder}'")
        tables = {table.tableName for table in session.sql(f"show tables in {folder.name}").collect()}
        for log in sorted(folder.glob("*/_delta_log")):
            name = log.parent.name
            if name not in tables:
                session.sql(f"create table {folder.name}.{name} using delta location '{log.parent}'")
