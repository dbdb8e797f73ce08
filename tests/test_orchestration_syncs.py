# ruff: noqa: F811 - fixtures of another file
"""A sync in Dagster: what its page shows, what its checks say, and that an alert is sent when they do not pass."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from conftest import addresses
from reverse_etl_house import House, people, use
from test_orchestration import mailbox, webhook  # noqa: F401 - fixtures
from vtiger_server import VtigerServer

from orchestration.writing import WRITING

# dagster-dbt's SQL parser warns its developers on import
pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")

KEY = dg.AssetKey(["reverse_etl", "sync_vtiger__contacts"])


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[VtigerServer]:
    with VtigerServer() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(tmp_path, "sync_vtiger__contacts", object="Contacts", options={"settle_seconds": 0.05})
    # commands that other tests ran have left their folders in the environment
    for name, value in house.settings.environment().items():
        monkeypatch.setenv(name, value)
    house.want([row | {"lastname": "Doe"} for row in people(1, 2, 3)])
    house.consent([("c1", "granted"), ("c2", "granted")])
    return house


def materialize(house: House, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    from orchestration.syncs import _sync_asset

    return dg.materialize([_sync_asset(house.sync)], instance=instance, resources=WRITING, raise_on_error=False)


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: entry.value for name, entry in event.materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_a_sync_shows_what_became_of_its_rows_and_where_the_refused_are(house: House, crm: VtigerServer) -> None:
    for _ in range(2):
        crm.crm.add(email="p1@example.com", lastname="Twin")
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(house, instance)
    assert result.success
    metadata = shown(result)
    numbers = {name: metadata[name] for name in ("sent", "accepted", "refused", "withheld", "left", "erased")}
    assert numbers == {"sent": 2, "accepted": 1, "refused": 1, "withheld": 1, "left": 0, "erased": 0}
    assert metadata["withheld by reason"] == {"no_consent": 1}
    assert metadata["plan"]["adds"] == 2
    assert [record.data for record in metadata["refused and waiting"].records] == [
        {"class": "ambiguous_match", "rows": 1}
    ]
    assert f"kinship rejected {house.name}" in metadata["refused rows"]
    assert not addresses(repr(metadata))
    assert {name: check.passed for name, check in checks(result).items()} == {
        "accepted": False,
        "moving": True,
        "opt_outs": True,
    }


def test_a_sync_that_is_not_configured_is_no_alarm(house: House) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(house, instance)
    assert shown(result)["status"] == "not_configured"
    assert all(check.passed for check in checks(result).values())


def test_refused_rows_are_told_without_anyones_data(
    house: House,
    crm: VtigerServer,
    webhook: Any,
    mailbox: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orchestration.alerts import sync_alert

    monkeypatch.setenv("KINSHIP_ALERT_WEBHOOK", f"http://127.0.0.1:{webhook.server_port}/hook")
    monkeypatch.setenv("KINSHIP_ALERT_EMAIL", "ops@example.com")
    monkeypatch.setenv("KINSHIP_SMTP_URL", f"smtp://127.0.0.1:{mailbox.port}")
    for _ in range(2):
        crm.crm.add(email="p1@example.com", lastname="Twin")

    def tell(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> None:
        sync_alert()(
            dg.build_run_status_sensor_context(
                sensor_name="sync_alert",
                dagster_event=result.get_run_success_event(),
                dagster_instance=instance,
                dagster_run=result.dagster_run,
            )
        )

    with dg.DagsterInstance.ephemeral() as instance:
        tell(materialize(house, instance), instance)
        told = len(webhook.bodies)
        tell(materialize(house, instance), instance)
    assert len(webhook.bodies) == told == 2, "a hiccup, the alert, and none for the run that had nothing refused"
    body = webhook.bodies[-1]
    assert body["event"] == "syncs_need_attention"
    assert body["syncs"] == {house.name: {"accepted": "1 rows refused, 0 left for the next run"}}
    (letter,) = mailbox.letters
    assert house.name in letter.content.decode()
    assert not addresses(json.dumps(body))
