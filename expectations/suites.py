"""Runs suites of expectations: suites, validation definitions and checkpoints, kept with Data Docs beside the
warehouse. Frames are counts and shares worked out by SQL wherever the rows speak of people; results hold counts only.
"""

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from kinship.builds import CheckResult
from kinship.settings import settings

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

Baseline = Mapping[str, Mapping[str, Any]]  # asset -> measure -> its value after the last build that passed

KEPT_RUNS = 20  # of each suite, in the store and in Data Docs


@dataclass(frozen=True)
class Expected:
    """One expectation of Great Expectations about a column, and what it says in words."""

    type: str
    says: str
    critical: bool
    arguments: Mapping[str, Any]

    def configuration(self) -> "ExpectationConfiguration":
        """As the library wants it."""
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
        from great_expectations.expectations.metadata_types import FailureSeverity

        return ExpectationConfiguration(
            type=self.type,
            kwargs=dict(self.arguments),
            description=self.says,
            severity=FailureSeverity.CRITICAL if self.critical else FailureSeverity.WARNING,
        )


def expect(what: str, column: str, says: str, *, critical: bool = False, **arguments: Any) -> Expected:
    """`expect_column_<what>` of the library. What is critical stops the run; anything else is a warning."""
    return Expected(f"expect_column_{what}", says, critical, {"column": column, **arguments})


@dataclass(frozen=True)
class Suite:
    """Expectations about one frame.

    A frame with a column `asset` has one row of measures per table, and each table gets a result of its own; a column
    `<measure>_because` has words to add to what is said when that measure fails. A frame without `asset` holds columns
    of the table `asset` of the suite: its results say how many values failed, never which.
    """

    name: str
    frame: "Callable[[duckdb.DuckDBPyConnection, Baseline], pd.DataFrame]"
    expectations: Sequence[Expected]
    asset: str | None = None


@contextmanager
def _named_main() -> Iterator[None]:
    """Give the main module a file for a while: Great Expectations imports pyspark where the Spark extra is installed,
    and that takes a process without one (a step that Dagster's daemon launched) for a doctest, and ends it."""
    main = sys.modules["__main__"]
    if hasattr(main, "__file__") or main.__spec__ is not None:
        yield
        return
    main.__file__ = __file__
    try:
        yield
    finally:
        del main.__file__


def context() -> "AbstractDataContext":
    """Great Expectations' context of this warehouse, with Data Docs in `settings().data_docs`."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with warnings.catch_warnings(), _named_main():
        warnings.simplefilter("ignore")  # its dependencies announce their own futures on import
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        from expectations.data_docs import site

        root = settings().state / "great_expectations"
        root.mkdir(parents=True, exist_ok=True)
        gx_context = gx.get_context(mode="file", project_root_dir=root)
    gx_context.variables.progress_bars = ProgressBarsConfig(globally=False)
    if "local_site" in gx_context.get_site_names():
        gx_context.delete_data_docs_site("local_site")
    built = site(settings().data_docs)
    # said anew each time: the folder may have been moved or copied with its warehouse
    if "kinship" in gx_context.get_site_names():
        gx_context.update_data_docs_site(site_name="kinship", site_config=built)
    else:
        gx_context.add_data_docs_site(site_name="kinship", site_config=built)
    return gx_context


def run(
    connection: duckdb.DuckDBPyConnection, suites: Sequence[Suite], baseline: Baseline, run_name: str
) -> list[CheckResult]:
    """Evaluate suites one by one. The connection is only read; `run_name` is what Data Docs calls this evaluation."""
    gx_context = context()
    results: list[CheckResult] = []
    for suite in suites:
        frame = suite.frame(connection, baseline)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas' and marshmallow's, raised within the library
            outcome = _evaluate(gx_context, suite, frame, run_name)
        results.extend(_by_asset(suite, frame, outcome))
        _prune(suite.name)
    return results


def _evaluate(
    gx_context: "AbstractDataContext", suite: Suite, frame: "pd.DataFrame", run_name: str
) -> "ExpectationSuiteValidationResult":
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.core.run_identifier import RunIdentifier

    source = gx_context.data_sources.add_or_update_pandas("warehouse")
    batch = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("whole")
    definition = gx_context.suites.add_or_update(
        gx.ExpectationSuite(name=suite.name, expectations=[one.configuration() for one in suite.expectations])
    )
    validation = gx_context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=suite.name, data=batch, suite=definition)
    )
    result_format: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
    if suite.asset is None:
        result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": ["asset"]}
    checkpoint = gx_context.checkpoints.add_or_update(
        gx.Checkpoint(
            name=suite.name,
            validation_definitions=[validation],
            actions=[UpdateDataDocsAction(name="data_docs", site_names=["kinship"])],
            result_format=result_format,
        )
    )
    outcome = checkpoint.run(batch_parameters={"dataframe": frame}, run_id=RunIdentifier(run_name=run_name))
    (result,) = outcome.run_results.values()
    return result


def _by_asset(suite: Suite, frame: "pd.DataFrame", outcome: "ExpectationSuiteValidationResult") -> list[CheckResult]:
    """One result per table: what failed there, at the severity of the worst of it."""
    assets = [suite.asset] if suite.asset else list(frame["asset"])
    failed: dict[str, list[str]] = {asset: [] for asset in assets}
    critical: set[str] = set()
    measures = {} if suite.asset else {str(row["asset"]): row for row in frame.to_dict("records")}
    for result in outcome.results:
        config = result.expectation_config
        if result.success or config is None:
            continue
        says = config.description or f"{config.type} {config.kwargs.get('column', '')}".strip()
        unexpected = result.result.get("unexpected_count")
        if suite.asset:
            says = f"{says} ({unexpected} not)" if unexpected is not None else says
            where = assets
        else:
            listed = result.result.get("unexpected_index_list")
            # a failure that names no row, as of an expectation that could not be evaluated, is everyone's
            where = [row["asset"] for row in listed] if listed else assets
        for asset in where:
            because = measures.get(asset, {}).get(f"{config.kwargs.get('column')}_because")
            failed[asset].append(f"{says} ({because})" if because else says)
            if config.severity == "critical":
                critical.add(asset)
    return [
        CheckResult(
            asset=asset,
            name=suite.name,
            passed=not failed[asset],
            severity="error" if asset in critical else "warning",
            expectations=len(outcome.results),
            failed=tuple(failed[asset]),
            metadata={
                str(k): v
                for k, v in measures.get(asset, {}).items()
                if k != "asset" and not str(k).endswith("_because")
            },
        )
        for asset in assets
    ]


def _prune(suite: str) -> None:
    """Keep the newest runs only: the store and Data Docs would grow with every run."""
    for root in (
        settings().state / "great_expectations" / "gx" / "uncommitted" / "validations",
        settings().data_docs / "validations",
    ):
        runs = sorted((path for path in (root / suite).glob("*/*") if path.is_dir()), key=lambda path: path.name)
        for path in runs[:-KEPT_RUNS]:
            shutil.rmtree(path)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
