"""Apache Spark with Delta Lake as the warehouse: the optional extra `spark` (docs/scale.md)."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from kinship.errors import WrongUse


def require() -> None:
    """Raise `WrongUse` when this machine lacks what the target `spark` needs, saying what to do."""
    missing = [name for name in ("pyspark", "deltalake", "duckdb_extension_delta") if find_spec(name) is None]
    if missing:
        raise WrongUse(
            f"KINSHIP_TARGET=spark needs the Spark extra ({', '.join(missing)} not installed): `make spark` installs it"
        )
    home = os.environ.get("JAVA_HOME")
    if not (Path(home, "bin", "java").exists() if home else shutil.which("java")):
        raise WrongUse("KINSHIP_TARGET=spark needs Java 17 or later: install it, or point JAVA_HOME at it")
