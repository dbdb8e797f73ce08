"""Kinship in Dagster: extract, build layer by layer, check between layers, publish, send what differs."""

import dagster as dg

from orchestration.alerts import failure_alert, sync_alert
from orchestration.extraction import extract_assets, raw_tables
from orchestration.gates import gates
from orchestration.layers import dbt_resource, layer_assets
from orchestration.maintenance import maintenance_jobs, maintenance_schedules
from orchestration.publishing import published_assets
from orchestration.schedules import extract, hourly, new_files, nightly, pipeline, sync
from orchestration.source_jobs import backfill_jobs, source_schedules
from orchestration.syncs import sync_assets
from orchestration.writing import WRITING

defs = dg.Definitions(
    assets=[*extract_assets(), *layer_assets(), *published_assets(), *sync_assets()],
    asset_checks=gates(raw_tables()),
    jobs=[pipeline, extract, sync, *maintenance_jobs(), *backfill_jobs()],
    schedules=[hourly, nightly, *maintenance_schedules(), *source_schedules()],
    sensors=[new_files(), failure_alert(), sync_alert()],
    resources={"dbt": dbt_resource(), **WRITING},
    executor=dg.in_process_executor,
)
