"""What a run shows while it runs: one line per step, and live counts where there is a terminal."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from dagster import EventLogEntry

TITLES = {
    "people": "staging, identity, customers",
    "segments": "segments",
    "activation": "activation, metrics, reporting",
    "raw_gate": "checks on raw",
    "customers_gate": "checks on customers",
    "segments_gate": "checks on segments",
    "activation_gate": "checks on activation",
    "published__tables": "published tables",
    "published__sync_results": "published results of syncs",
}


def title(step: str) -> str:
    """A step's name as a person reads it: `extract_shopify` is `extract shopify`."""
    if step in TITLES:
        return TITLES[step]
    if step.startswith("reverse_etl__"):
        return f"sync {step.removeprefix('reverse_etl__').removeprefix('sync_').replace('__', ' ')}"
    return step.replace("_", " ")


@dataclass
class StepOutcome:
    """How one step ended."""

    step: str
    status: str  # done, failed, skipped
    seconds: float = 0.0
    message: str = ""
    exit_code: int = 1


@dataclass
class RunRecord:
    """What a run told while it ran."""

    steps: dict[str, StepOutcome] = field(default_factory=dict)
    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)  # asset `schema.table` -> metadata
    retries: int = 0

    @property
    def failed(self) -> list[StepOutcome]:
        return [step for step in self.steps.values() if step.status == "failed"]


class RunProgress:
    """Listens to a run's events, shows them, and keeps what the summary needs. Use as a context manager."""

    def __init__(self, console: Console, assets_per_step: dict[str, int]) -> None:
        self.record = RunRecord()
        self._console = console
        self._assets = assets_per_step
        self._live = console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._progress.add_task("starting", total=len(assets_per_step))
        self._done_of_step: dict[str, int] = {}

    def __enter__(self) -> "RunProgress":
        self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.__exit__(None, None, None)

    def __call__(self, entry: "EventLogEntry") -> None:
        """Take one event of Dagster's log."""
        event = entry.dagster_event
        if event is None:
            return
        step = event.step_key or ""
        kind = event.event_type_value
        if kind == "STEP_START":
            self._describe(step)
        elif kind == "ASSET_MATERIALIZATION" and entry.asset_materialization is not None:
            made = entry.asset_materialization
            self.record.materialized[".".join(made.asset_key.path)] = {k: v.value for k, v in made.metadata.items()}
            self._done_of_step[step] = self._done_of_step.get(step, 0) + 1
            self._describe(step)
        elif kind == "STEP_SUCCESS":
            self._end(StepOutcome(step, "done", event.step_success_data.duration_ms / 1000))
        elif kind == "STEP_SKIPPED":
            self._end(StepOutcome(step, "skipped", message="a step or check before it failed"))
        elif kind == "STEP_UP_FOR_RETRY":
            self.record.retries += 1
            self._console.print(f"  [yellow]↻[/] {title(step)}: failed, will be tried again")
        elif kind == "STEP_FAILURE":
            self._end(_failure(step, event.step_failure_data))

    def _describe(self, step: str) -> None:
        total = self._assets.get(step, 0)
        count = f" {self._done_of_step.get(step, 0)}/{total}" if total > 1 else ""
        self._progress.update(self._task, description=f"{title(step)}{count}")

    def _end(self, outcome: StepOutcome) -> None:
        self.record.steps[outcome.step] = outcome
        mark = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[yellow]–[/]"}[outcome.status]
        note = f"  {outcome.status}" if outcome.status != "done" else f"{outcome.seconds:7.1f} s"
        self._console.print(f"  {mark} {title(outcome.step):<34}{note}", highlight=False)
        self._progress.advance(self._task)


def _failure(step: str, data: Any) -> StepOutcome:
    if data.user_failure_data is not None:
        code = data.user_failure_data.metadata.get("exit_code")
        return StepOutcome(
            step, "failed", message=data.user_failure_data.description or "", exit_code=code.value if code else 1
        )
    error = data.error
    if error is not None and error.cls_name == "DagsterAssetCheckFailedError":
        message = "what failed is listed under Checks; nothing behind it was touched"
        return StepOutcome(step, "failed", message=message, exit_code=3 if step.endswith("_gate") else 1)
    if os.environ.get("KINSHIP_DEBUG") and error is not None:
        return StepOutcome(step, "failed", message=error.to_string())
    while error is not None and error.cause is not None:
        error = error.cause
    # an unforeseen error's text may quote a value of the data; its class and the step lead to the rest
    name = (error.cls_name or "error") if error is not None else "error"
    return StepOutcome(step, "failed", message=f"{name}; the step's log in Dagster says more (run `kinship dev`)")
