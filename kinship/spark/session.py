"""The Spark session that dbt and its Python models share, with Delta Lake and the graph functions in it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kinship.settings import settings
from kinship.spark import jars

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF = Path(__file__).with_name("conf")


def options() -> dict[str, str]:
    """What the models rely on, whatever the machine. Sizes stand in `conf/spark-defaults.conf`."""
    here = settings()
    metastore = here.state / "spark" / "metastore"
    is_s3 = here.lake.startswith("s3://")
    return {
        "spark.app.name": "kinship",
        "spark.jars": ",".join(str(jar) for jar in jars.paths(s3=is_s3)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.sources.default": "delta",
        "spark.sql.warehouse.dir": here.lake,
        # one clock, and `timestamp` without a zone, as in DuckDB
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        # the catalogue: one process at a time, as with DuckDB's file; a cluster brings its own
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:{metastore};create=true",
        # a table is replaced whole, with whatever columns it has now
        "spark.hadoop.hive.metastore.disallow.incompatible.col.type.changes": "false",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={here.state / 'spark'} -Duser.timezone=UTC",
        # what holds of one side of a join would be worked out for the other: of 22 columns, NULL or not, in every way.
        # With that the merge of the snapshot `customers_history` fills 4 GB, of 3,000 people; without, it takes seconds
        "spark.sql.constraintPropagation.enabled": "false",
        # an increment is appended in whole files, so that readers need not know deletion vectors
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
        **(s3_options() if is_s3 else {}),
    }


def s3_options() -> dict[str, str]:
    """How Spark reaches an S3 lake: `s3://` as everybody else calls it; keys it reads from AWS's variables itself."""
    found = {"impl": "org.apache.hadoop.fs.s3a.S3AFileSystem"}
    if region := os.environ.get("AWS_REGION"):
        found["endpoint.region"] = region
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        found |= {"endpoint": endpoint, "path.style.access": "true"}
    # `impl` is looked up by the scheme of the address, the rest always by Hadoop's own name for it
    return {f"spark.hadoop.fs.{'s3' if name == 'impl' else 's3a'}.{name}": value for name, value in found.items()}


def open_session() -> "SparkSession":
    """The session of this process, made if there is none. `SPARK_REMOTE` or the defaults' `spark.master` say where."""
    os.environ.setdefault("SPARK_CONF_DIR", str(CONF))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers need pyarrow, too
    (settings().state / "spark").mkdir(parents=True, exist_ok=True)
    from pyspark.sql import SparkSession

    from kinship.spark import functions

    builder = SparkSession.builder.enableHiveSupport()
    for name, value in options().items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    functions.register(session)
    return session
