"""Alerts, to a webhook and by e-mail: a run that failed, syncs that had rows refused or do not get on.

They tell runs, steps, classes of errors and counts; nothing about anyone's data.
"""

import json
import os
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, ClassVar, Protocol
from urllib.parse import unquote, urlsplit

import dagster as dg
import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from kinship.errors import WrongUse

TIMEOUT_SECONDS = 10
SENDER = "kinship@localhost"
SYNCS = "reverse_etl"  # the group of the sync assets


class Alert(Protocol):
    """A dataclass whose fields are the message."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    event: ClassVar[str]

    @property
    def headline(self) -> str: ...


@dataclass(frozen=True)
class FailedRun:
    """A run that failed."""

    event: ClassVar[str] = "run_failed"

    run_id: str
    job: str
    steps: tuple[str, ...]
    errors: tuple[str, ...]  # the errors' classes; messages stay in Dagster
    noticed_at: str

    @property
    def headline(self) -> str:
        where = f" in {', '.join(self.steps)}" if self.steps else ""
        return f"Kinship: the run of {self.job} failed{where}"


@dataclass(frozen=True)
class SyncTrouble:
    """Syncs of one run whose checks did not pass: what each check says, by sync."""

    event: ClassVar[str] = "syncs_need_attention"

    run_id: str
    job: str
    syncs: Mapping[str, Mapping[str, str]]
    noticed_at: str

    @property
    def headline(self) -> str:
        said = "; ".join(f"{sync}: {', '.join(checks.values())}" for sync, checks in self.syncs.items())
        return f"Kinship: {said}"


def configured() -> bool:
    """Whether there is anywhere to send an alert."""
    return bool(os.environ.get("KINSHIP_ALERT_WEBHOOK") or os.environ.get("KINSHIP_ALERT_EMAIL"))


def send(alert: Alert) -> list[str]:
    """Send the alert wherever the environment says; returns the ways it took. Raises what the last attempt raised."""
    ways: list[tuple[str, Callable[[Alert], None]]] = []
    if os.environ.get("KINSHIP_ALERT_WEBHOOK"):
        ways.append(("webhook", _post))
    if os.environ.get("KINSHIP_ALERT_EMAIL"):
        ways.append(("e-mail", _mail))
    errors = []
    for name, way in ways:
        try:
            way(alert)
        except (httpx.HTTPError, OSError, smtplib.SMTPException) as error:
            # one way being down must not silence the other; the address itself may be a secret
            errors.append(f"{name}: {type(error).__name__}")
    if errors:
        raise RuntimeError(f"the alert could not be sent by {', '.join(errors)}")
    return [name for name, _ in ways]


@retry(
    retry=retry_if_exception_type((httpx.TransportError, httpx.HTTPStatusError)),
    stop=stop_after_attempt(3),
    wait=wait_exponential_jitter(multiplier=0.5, max=5),
    reraise=True,
)
def _post(alert: Alert) -> None:
    body = {"event": alert.event, "text": alert.headline, **asdict(alert)}
    httpx.post(os.environ["KINSHIP_ALERT_WEBHOOK"], json=body, timeout=TIMEOUT_SECONDS).raise_for_status()


@retry(
    retry=retry_if_exception_type((OSError, smtplib.SMTPServerDisconnected)),
    stop=stop_after_attempt(3),
    wait=wait_exponential_jitter(multiplier=0.5, max=5),
    reraise=True,
)
def _mail(alert: Alert) -> None:
    url = urlsplit(os.environ.get("KINSHIP_SMTP_URL", "smtp://127.0.0.1:25"))
    if url.scheme not in ("smtp", "smtps") or not url.hostname:
        raise WrongUse("KINSHIP_SMTP_URL must look like smtp://[user:password@]host[:port], or smtps:// for TLS")
    message = EmailMessage()
    message["Subject"] = alert.headline
    message["From"] = os.environ.get("KINSHIP_ALERT_SENDER", SENDER)
    message["To"] = os.environ["KINSHIP_ALERT_EMAIL"]
    message.set_content(json.dumps(asdict(alert), indent=2) + "\n\nThe run's page in Dagster tells the rest.\n")
    secure = ssl.create_default_context()
    client = (
        smtplib.SMTP_SSL(url.hostname, url.port or 465, timeout=TIMEOUT_SECONDS, context=secure)
        if url.scheme == "smtps"
        else smtplib.SMTP(url.hostname, url.port or 25, timeout=TIMEOUT_SECONDS)
    )
    with client:
        if url.username:
            if url.scheme == "smtp":
                client.starttls(context=secure)  # a password never travels in the clear
            client.login(unquote(url.username), unquote(url.password or ""))
        client.send_message(message)


def describe(context: dg.RunFailureSensorContext) -> FailedRun:
    """What failed, from the run's events: names of steps and classes of errors."""
    steps: list[str] = []
    errors: list[str] = []
    for event in context.get_step_failure_events():
        steps.append(event.step_key or "")
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None and error.cls_name:
            errors.append(error.cls_name)
    return FailedRun(
        run_id=context.dagster_run.run_id,
        job=context.dagster_run.job_name,
        steps=tuple(steps),
        errors=tuple(dict.fromkeys(errors)),
        noticed_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def failure_alert() -> dg.SensorDefinition:
    """A sensor that sends an alert for every failed run; on from the start where an address is set."""

    @dg.run_failure_sensor(
        name="failure_alert",
        description="Tells KINSHIP_ALERT_WEBHOOK and KINSHIP_ALERT_EMAIL of every failed run.",
        default_status=dg.DefaultSensorStatus.RUNNING if configured() else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
    )
    def alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        if not configured():
            return dg.SkipReason("neither KINSHIP_ALERT_WEBHOOK nor KINSHIP_ALERT_EMAIL is set")
        ways = send(describe(context))
        context.log.info(f"alert sent by {' and '.join(ways)}")
        return None

    return alert


def troubles(instance: dg.DagsterInstance, run: dg.DagsterRun) -> SyncTrouble | None:
    """What the checks of a run's syncs did not pass, as the checks say it; None when all did."""
    found: dict[str, dict[str, str]] = {}
    for record in instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records:
        event = record.event_log_entry.dagster_event
        check = event.asset_check_evaluation_data if event is not None else None
        if check is not None and not check.passed and check.asset_key.path[0] == SYNCS:
            found.setdefault(check.asset_key.path[-1], {})[check.check_name] = check.description or check.check_name
    if not found:
        return None
    return SyncTrouble(run.run_id, run.job_name, found, datetime.now(UTC).isoformat(timespec="seconds"))


def sync_alert() -> dg.SensorDefinition:
    """A sensor that sends an alert for every run with syncs that need a look; on where an address is set."""

    @dg.run_status_sensor(
        name="sync_alert",
        run_status=dg.DagsterRunStatus.SUCCESS,
        description="Tells KINSHIP_ALERT_WEBHOOK and KINSHIP_ALERT_EMAIL of refused rows and of stalled syncs.",
        default_status=dg.DefaultSensorStatus.RUNNING if configured() else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
    )
    def alert(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        if not configured():
            return dg.SkipReason("neither KINSHIP_ALERT_WEBHOOK nor KINSHIP_ALERT_EMAIL is set")
        trouble = troubles(context.instance, context.dagster_run)
        if trouble is None:
            return dg.SkipReason("every check of every sync passed")
        ways = send(trouble)
        context.log.info(f"alert sent by {' and '.join(ways)}")
        return None

    return alert
