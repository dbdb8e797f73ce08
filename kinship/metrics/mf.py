"""MetricFlow's own command, `mf`, from any folder, on the warehouse that the environment names.

It brings the definitions up to date, and leaves out the look for newer versions on the internet that `mf` begins with.
"""

import os
import sys
from types import ModuleType

from kinship.environment import prepare_environment
from kinship.errors import KinshipError, WrongUse
from kinship.settings import ROOT, settings


def main() -> None:
    """The command `kinship-mf`: `mf`'s own arguments and exit codes."""
    try:
        prepare_environment()
        if settings().target == "spark":
            raise WrongUse("MetricFlow cannot ask Spark: the figures are in the published table metrics.metric_values")
        from kinship.manifest import prepare_manifest

        prepare_manifest()
    except KinshipError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    os.environ |= {"DBT_PROJECT_DIR": str(ROOT), "DBT_PROFILES_DIR": str(ROOT)}
    sys.modules["update_checker"] = _no_updates()
    from dbt_metricflow.cli.main import cli

    cli()


def _no_updates() -> ModuleType:
    """A module `update_checker` that never finds anything newer."""

    class UpdateChecker:
        def check(self, package_name: str, package_version: str) -> None:
            """Nothing newer is known of the package."""

    module = ModuleType("update_checker")
    vars(module)["UpdateChecker"] = UpdateChecker
    return module
