"""The turn to write the warehouse as a resource of a run (kinship/writing.py).

Steps that build, check, publish or send take it for the rest of the run, so that nobody changes a table between them.
An extraction has it only while it reads the ledger and loads: a source may be fetched for hours beside other runs.
"""

from collections.abc import Iterator

import dagster as dg

from kinship.writing import Turn

# Jobs that build or send have this tag, so that few of them are under way at once (dagster.yaml).
BUILDS = {"kinship/builds": "true"}


@dg.resource(description="The turn to write the warehouse: one run at a time has it, and gives it back when it ends.")
def _writer(context: dg.InitResourceContext) -> Iterator[Turn]:
    """The run's turn, not taken yet."""
    run = context.run
    turn = Turn(f"run {run.run_id[:8]} ({run.job_name})" if run else "a run")
    try:
        yield turn
    finally:
        turn.release()


WRITING = {"writer": _writer}
"""For whoever runs a step that has the parameter `writer`."""
