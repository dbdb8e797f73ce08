"""Runs of extraction's jobs in processes of their own, forked from one that has imported everything."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from orchestration.extraction import extract_assets
from orchestration.instance import open_instance
from orchestration.source_jobs import source_schedules
from orchestration.writing import WRITING


def run(job: str, environment: Mapping[str, str], log: Path) -> None:
    """Run `source_<source>`, or the job `both` (shopify and zendesk), to its end; exits with 1 if it fails."""
    os.environ.clear()
    os.environ.update(environment)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    definitions = dg.Definitions(
        assets=extract_assets(),
        schedules=source_schedules(),
        jobs=[dg.define_asset_job("both", selection=dg.AssetSelection.key_prefixes(["raw_shopify"], ["raw_zendesk"]))],
        resources=WRITING,
        executor=dg.in_process_executor,
    )
    with open_instance() as instance:
        result = definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)
    sys.exit(0 if result.success else 1)
