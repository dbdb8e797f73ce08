"""dbt on either target: as it is on DuckDB; on Spark with the session the models need, and Python models in it.

dbt-spark can run a Python model only as a job on Databricks. Here it runs in this process, in the same session.
"""

import os
import sys
from typing import Any

from kinship.settings import settings
from kinship.warehouse import connect, has_table


def main() -> None:
    """The command `kinship-dbt`: dbt's own arguments and exit codes."""
    os.environ.update(settings().environment())
    if settings().target == "spark" and not {"parse", "list", "ls", "--help", "--version"} & set(sys.argv[1:]):
        prepare()
    from dbt.cli.main import cli

    cli()


def prepare() -> None:
    """Open the session and teach dbt-spark to run Python models in it."""
    from dbt.adapters.base.impl import PythonJobHelper
    from dbt.adapters.spark.impl import SparkAdapter

    from kinship.spark.catalog import register_raw_tables
    from kinship.spark.session import open_session

    forget_build()
    session = open_session()
    register_raw_tables(session)

    class InThisSession(PythonJobHelper):
        """Runs the compiled text of a Python model, which writes its table itself."""

        def __init__(self, parsed_model: dict[str, Any], credential: Any) -> None:
            self.name = parsed_model["original_file_path"]

        def submit(self, compiled_code: str) -> Any:
            exec(compile(compiled_code.lstrip(), self.name, "exec"), {"spark": session, "__name__": "model"})  # noqa: S102

    SparkAdapter.default_python_submission_method = "session"
    SparkAdapter.python_submission_helpers = {"session": InThisSession}


def forget_build() -> None:
    """As the macro of that name does on DuckDB: tables changed by hand are no longer known to be what was built."""
    if not settings().warehouse.exists():
        return
    with connect(read_only=False) as books:
        if has_table(books, "operations", "builds"):
            books.execute("delete from operations.builds where finished_at is not null")


if __name__ == "__main__":
    main()
