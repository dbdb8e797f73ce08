"""Runs `dbt build` in this process, one model after the other, and writes down what each took in processor seconds.

    python benchmarks/dbt_seconds.py RESULT.json [what dbt build takes ...]

Processor seconds, because other work on the machine stretches the clock's. RESULT: {"cpu": all, "models": {name:
{"engine": ..., "python": ...}}}. `engine` is what DuckDB worked for the statements of the model; `python` is the rest:
dbt's own work, which does not grow with the data, and that of a Python model. What is left of `cpu` is reading the
project.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.cli.main import dbtRunner


class Watch:
    """Processor seconds by model, told by dbt's events; true for one thread."""

    def __init__(self) -> None:
        self.engine = 0.0
        self.begun: dict[str, tuple[float, float]] = {}
        self.models: dict[str, dict[str, float]] = {}
        execute = DuckDBCursorWrapper.execute

        def timed(cursor: Any, sql: str, bindings: Any = None) -> Any:
            begun = time.process_time()
            try:
                return execute(cursor, sql, bindings)
            finally:
                self.engine += time.process_time() - begun

        DuckDBCursorWrapper.execute = timed

    def hear(self, event: Any) -> None:
        if event.info.name == "NodeStart":
            self.begun[event.data.node_info.unique_id] = time.process_time(), self.engine
        elif event.info.name == "NodeFinished":
            name = event.data.node_info.unique_id
            at, engine = self.begun[name]
            spent = self.engine - engine
            self.models[name.split(".")[-1]] = {"engine": spent, "python": time.process_time() - at - spent}


def main() -> None:
    result, *arguments = sys.argv[1:]
    watch = Watch()
    begun = time.process_time()
    done = dbtRunner(callbacks=[watch.hear]).invoke(["--quiet", "build", "--threads", "1", *arguments])
    Path(result).write_text(json.dumps({"cpu": time.process_time() - begun, "models": watch.models}))
    raise SystemExit(0 if done.success else 1)


if __name__ == "__main__":
    main()
