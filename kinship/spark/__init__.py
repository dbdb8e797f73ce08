"""Apache Spark with Delta Lake as the warehouse: the optional extra `spark` (docs/scale.md)."""
