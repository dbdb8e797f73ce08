"""Data quality: how fresh sources are, what was checked, what could not be taken, and what changed its shape."""

import io
import zipfile
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dashboards import charts, data, layout
from dashboards.layout import plain
from dashboards.words import age, moment, number
from kinship.quality import LATE_AFTER, OVERDUE_AFTER, last_stop
from kinship.settings import settings

SOURCES = """
with told as (
    select source, max(occurred_at) as seen_at from customers.customer_events group by source
    union all
    select source, max(observed_at) from customers.customer_attribute_candidates group by source
    union all
    -- costs are of nobody: they have a day, and no record
    select 'ads', cast(max(cost_date) as timestamp) from customers.campaign_costs
),

last_told as (
    select source, max(seen_at) as last_record_at from told group by source
)

select
    source,
    cast(sum(files) as bigint) as files,
    cast(sum(rows) as bigint) as records,
    cast(sum(quarantined) as bigint) as quarantined,
    max(last_extracted_at) as last_extracted_at,
    any_value(last_record_at) as last_record_at
from operations.sources
left join last_told using (source)
group by source
order by source
"""

CHECKS = """
select
    gate, asset, name as suite, passed, severity, expectations, len(failed) as not_so,
    array_to_string(failed, '; ') as what_is_not_so, checked_at
from operations.checks
order by passed, severity, gate, asset, suite
"""

GATES = """
select
    gate,
    count(*) as tables,
    cast(sum(expectations) as bigint) as expectations,
    count(*) filter (where not passed and severity = 'warning') as warned,
    count(*) filter (where not passed and severity = 'error') as failed,
    max(checked_at) as checked_at
from operations.checks
group by gate
order by checked_at
"""

GATE_RUNS = """
select cast(checked_at as date) as day, if(is_stopped, 'stopped', 'passed') as outcome, count(*) as gates
from operations.gate_runs
group by day, outcome
order by day, outcome
"""

STOPS = """
select checked_at, gate, failed as tables_with_errors, warned as tables_with_warnings, run_id
from operations.gate_runs
where is_stopped
order by checked_at desc
"""

TESTS = """
select
    coalesce(split_part(relation, '.', 1), 'several tables') as layer,
    count(*) as tests,
    count(*) filter (where status = 'pass') as passed,
    count(*) filter (where status = 'warn') as warned,
    count(*) filter (where status in ('fail', 'error')) as failed,
    round(sum(seconds), 1) as seconds
from operations.tests
group by layer
order by layer
"""

NOT_PASSED = """
select relation, test, status, failures, tested_at from operations.tests
where status <> 'pass' order by status, failures desc nulls first, test
"""

QUARANTINE = "select * from operations.quarantine order by records desc, source, table_name, reason"

SHARES = """
select source, table_name, rows + quarantined as handed_over, quarantined, quarantined / (rows + quarantined) as share
from operations.sources
where rows + quarantined > 0
order by share desc, source, table_name
"""

DRIFT = """
select first_seen_at, source, table_name, column_name from operations.raw_columns
where not is_initial order by first_seen_at desc, source, table_name, column_name
"""

COLUMNS = """
select count(*) as columns, count(distinct (source, table_name)) as tables, min(first_seen_at) as since
from operations.raw_columns
"""


def freshness_of(last_extracted_at: datetime | None, now: datetime) -> str:
    """Whether a source that hands over files each day has done so."""
    if last_extracted_at is None or pd.isna(last_extracted_at):
        return "nothing yet"
    passed = now - last_extracted_at
    return "overdue" if passed > OVERDUE_AFTER else "late" if passed > LATE_AFTER else "on time"


def stopped() -> None:
    """What stopped the last run, if anything did: these tables are then older than the warehouse."""
    stop = last_stop(settings())
    if stop is None:
        return
    said = "\n".join(f"* {plain(one)}" for one in stop.failed)
    st.error(
        f"The last run was stopped {age(stop.stopped_at.replace(tzinfo=None))} by {plain(stop.where)}, so nothing of it"
        f" is published: what these pages show is from the run before.\n\n{said}",
        icon=":material/front_hand:",
    )


def freshness() -> None:
    """What each source handed over, and when last."""
    st.subheader("Freshness of sources", anchor=False)
    if not data.has_table("operations.sources"):
        layout.missing("The publication does not say what was extracted.", "`kinship run` extracts and publishes.")
        return
    sources = data.frame(SOURCES)
    now = datetime.now(UTC).replace(tzinfo=None)
    shown = pd.DataFrame(
        {
            "source": sources["source"],
            "state": [freshness_of(at, now) for at in sources["last_extracted_at"]],
            "last file": [age(at, now) for at in sources["last_extracted_at"]],
            "last file at": sources["last_extracted_at"],
            "last record": sources["last_record_at"],
            "expected by": sources["last_extracted_at"] + LATE_AFTER,
            "records": sources["records"],
            "in quarantine": sources["quarantined"],
            "files": sources["files"],
        }
    )
    layout.table(shown)
    layout.download(shown, "source_freshness")
    late, overdue = (int(length.total_seconds() // 3600) for length in (LATE_AFTER, OVERDUE_AFTER))
    st.caption(f"A source is late {late} hours after its last new file, and overdue after {overdue}. Times are UTC.")


def expectations() -> None:
    """The gates: what is expected of the tables, and what does not hold."""
    st.subheader("Expectations and gates", anchor=False)
    if not data.has_table("operations.checks"):
        layout.missing("No gate has checked anything yet.", "`kinship run --rebuild` evaluates every gate.")
        return
    layout.table(data.frame(GATES))
    checks = data.frame(CHECKS)
    failed = checks[~checks["passed"]]
    if failed.empty:
        st.success("Everything that is expected of the tables holds.", icon=":material/task_alt:")
    else:
        st.caption(f"{number(len(failed))} of {number(len(checks))} tables have something that does not hold")
        layout.table(failed[["asset", "severity", "what_is_not_so", "suite", "gate"]])
    with st.expander("All checks"):
        layout.table(checks)
    layout.download(checks, "checks")
    if data.has_table("operations.gate_runs"):
        runs = data.frame(GATE_RUNS)
        if runs["day"].nunique() > 1:
            charts.over_time(runs, "day", "gates", colour="outcome", kind="bar", title="gates a day", unit=",d")
        stops = data.frame(STOPS)
        if stops.empty:
            st.caption("No gate has stopped a run that these books know of.")
        else:
            st.caption("Gates that stopped a run")
            layout.table(stops)
            layout.download(stops, "stopped_gates")
    _data_docs()


def _data_docs() -> None:
    docs = settings().data_docs
    if not (docs / "index.html").exists():
        st.caption("Data Docs are not on this machine: `kinship run` writes them beside the warehouse.")
        return
    st.caption(f"Every result so far is in Great Expectations' Data Docs: `{docs / 'index.html'}`")

    def packed() -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(docs.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(docs))
        return file.getvalue()

    st.download_button(
        "Download Data Docs",
        packed,
        file_name="data_docs.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        key="data_docs",
    )


def tests() -> None:
    """dbt's tests: by layer, and those that did not pass."""
    st.subheader("dbt tests", anchor=False)
    if not data.has_table("operations.tests"):
        layout.missing("No results of dbt's tests are published.", "`kinship run --rebuild` keeps them from now on.")
        return
    layout.table(data.frame(TESTS))
    not_passed = data.frame(NOT_PASSED)
    if not_passed.empty:
        st.success("Every test passed.", icon=":material/task_alt:")
    else:
        layout.table(not_passed)
        layout.download(not_passed, "tests_not_passed")


def quarantine() -> None:
    """Records that could not be taken, by source and reason."""
    st.subheader("Records in quarantine", anchor=False)
    if not data.has_table("operations.quarantine"):
        layout.missing("No record is in quarantine.")
        return
    reasons = data.frame(QUARANTINE)
    by_source = reasons.groupby("source", as_index=False).agg(records=("records", "sum"))
    charts.bars(by_source, "source", "records", title="records not taken", unit=",d")
    layout.table(reasons)
    layout.download(reasons, "quarantine")
    with st.expander("As a share of what was handed over"):
        shares = data.frame(SHARES)
        layout.table(shares, columns={"share": st.column_config.NumberColumn(format="percent")})
    st.caption("The records themselves stay in `raw_<source>.quarantine`, in the warehouse.")


def drift() -> None:
    """Columns that sources began to send."""
    st.subheader("Columns added by sources", anchor=False)
    if not data.has_table("operations.raw_columns"):
        layout.missing("Nobody has noted the raw tables' columns yet.", "`kinship run --rebuild` begins with it.")
        return
    row = data.frame(COLUMNS).iloc[0]
    added = data.frame(DRIFT)
    since = moment(row["since"])
    st.caption(f"{number(row['columns'])} columns in {number(row['tables'])} raw tables, watched since {since} UTC")
    if added.empty:
        st.caption("No source has added a column since.")
        return
    layout.table(added)
    layout.download(added, "columns_added")


def page() -> None:
    layout.header("Data quality", "How fresh the sources are, what was checked, and what could not be taken.")
    stopped()
    checks = data.publication().checks
    late = "–"
    if data.has_table("operations.sources"):
        now = datetime.now(UTC).replace(tzinfo=None)
        ages = [freshness_of(at, now) for at in data.frame(SOURCES)["last_extracted_at"]]
        late = number(sum(state in ("late", "overdue") for state in ages))
    quarantined = "–"
    if data.has_table("operations.quarantine"):
        quarantined = number(data.frame(QUARANTINE)["records"].sum())
    layout.figures(
        [
            ("Checks passed", number(checks.passed), "Expectations and dbt tests of the build that is published."),
            ("Warnings", number(len(checks.warned))),
            ("Failed", number(len(checks.failed)), "A published build has none that stops."),
            ("Sources late", late),
            ("In quarantine", quarantined, "Records that could not be taken."),
        ]
    )
    freshness()
    expectations()
    tests()
    quarantine()
    drift()


page()
