"""dbt's documentation of this warehouse as one page: models, columns, tests and the lineage from source to sync."""

import os
import shutil
import subprocess
from pathlib import Path

from kinship.errors import KinshipError
from kinship.manifest import dbt_executable, prepare_manifest, target_folder
from kinship.settings import ROOT, Settings


def write_page(settings: Settings) -> Path:
    """Write the page, which needs no server and loads nothing, and return its path.

    It holds SQL, descriptions, column types and row counts, no row. Raises KinshipError in dbt's words when the
    project does not parse or the warehouse cannot be read.
    """
    prepare_manifest()
    work = target_folder("docs")
    done = subprocess.run(
        [
            dbt_executable(), "--quiet", "docs", "generate", "--static",
            "--target", settings.target, "--project-dir", str(ROOT), "--profiles-dir", str(ROOT),
        ],
        env={**os.environ, **settings.environment(), "DBT_TARGET_PATH": str(work), "DBT_LOG_PATH": str(work)},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise KinshipError(f"dbt cannot document the warehouse:\n{(done.stdout + done.stderr).strip()}")
    settings.lineage.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(work / "static_index.html", settings.lineage)
    return settings.lineage
