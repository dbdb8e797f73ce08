"""The page of data quality: its figures are those of the books, and what stopped the last run is said."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dashboards_house import open_page, said, use
from operations_house import own, plant, reading
from streamlit.testing.v1 import AppTest

from kinship.quality import note_stop
from kinship.settings import settings


def frames(app: AppTest, column: str) -> list[Any]:
    return [table.value for table in app.dataframe if column in table.value.columns]


def test_the_figures_are_those_of_the_books(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publication = use(monkeypatch, published)
    app = open_page("quality")
    with reading(publication) as connection:

        def one(query: str) -> Any:
            return connection.execute(query).fetchall()[0][0]

        sources = dict(
            connection.execute(
                "select source, cast(sum(records) as bigint) from reporting.rpt_source_accounting"
                " where record_class <> 'quarantined' group by source"
            ).fetchall()
        )
        quarantined = one("select sum(records) from reporting.rpt_source_accounting where record_class = 'quarantined'")
        tests = one("select count(*) from operations.tests")
        checks = one("select count(*) from operations.checks")
        columns = one("select count(*) from operations.raw_columns")
    (freshness,) = frames(app, "last file")
    shown = {row.source: row.records for row in freshness.itertuples() if row.records}
    assert shown == sources
    (reasons,) = frames(app, "last_quarantined_at")
    assert reasons["records"].sum() == quarantined > 0
    assert {m.label: m.value for m in app.metric}["In quarantine"] == f"{quarantined:,}"
    assert frames(app, "layer")[0]["tests"].sum() == tests > 100
    assert len(frames(app, "what_is_not_so")[-1]) == checks > 20
    assert f"{columns} columns" in said(app)


def test_what_fails_is_named(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = own(published, tmp_path / "data")
    now = datetime.now(UTC).replace(tzinfo=None)

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "update operations.checks set passed = false, failed = ['most are <b>there</b>'] where name = 'profiles'"
        )
        connection.execute("update operations.tests set status = 'warn', failures = 3 where test like 'every_order%'")
        connection.execute("update operations.sources set last_extracted_at = ?", [now - timedelta(hours=30)])
        connection.execute(
            "update operations.sources set last_extracted_at = ? where source = 'ads'",
            [now - timedelta(hours=37)],
        )
        connection.execute(
            "insert into operations.raw_columns values ('ads', 'campaign_costs', 'mood', false, ?)", [now]
        )
        connection.execute("insert into operations.gate_runs values ('r', 'raw_gate', 9, 9, 1, 2, true, ?)", [now])

    plant(data, change)
    use(monkeypatch, data)
    app = open_page("quality")
    assert "most are <b>there</b>" in set(frames(app, "what_is_not_so")[0]["what_is_not_so"])
    assert set(frames(app, "failures")[0]["test"]) >= {"every_order_has_a_person"}
    states = frames(app, "last file")[0].set_index("source")["state"]
    assert states["ads"] == "overdue" and states["vtiger"] == "late"
    assert list(frames(app, "column_name")[0]["column_name"]) == ["mood"]
    assert list(frames(app, "tables_with_errors")[0]["tables_with_errors"]) == [2]


def test_a_run_that_was_stopped_since_is_said(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = own(published, tmp_path / "data")
    use(monkeypatch, data)
    assert "was stopped" not in said(open_page("quality"))
    note_stop(settings(), "a run", "customers_gate", ["customers.customers: every row has a *key* of its own"])
    app = open_page("quality")
    (error,) = [one.value for one in app.error]
    assert "customers\\_gate" in error and "\\*key\\*" in error and "from the run before" in error


def test_what_is_missing_is_said(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = own(published, tmp_path / "data")
    names = ("operations.checks", "operations.gate_runs", "operations.tests", "operations.raw_columns")
    reports = ("operations.quarantine", "operations.sources")
    plant(data, lambda connection: [connection.execute(f"drop table {name}") for name in (*names, *reports)])
    use(monkeypatch, data)
    shown = said(open_page("quality"))
    for missing in ("what was extracted", "No gate", "dbt's tests", "No record is in quarantine", "columns yet"):
        assert missing in shown
    assert shown.count("kinship run --rebuild") >= 3
