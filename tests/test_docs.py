"""What the docs say is so: each command runs, each file and table named is there, each statement does what it says."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, ROOT, call, call_dbt, environment, place

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHARED = ROOT.parent / "shared" / "data"

# Run by .ci/run on a clean checkout, or a server that does not end by itself (tests/test_orchestration*.py starts it).
ELSEWHERE = {
    "kinship segments",
    "kinship segments --json",
    "make run",
    "make test",
    "make lint",
    "make types",
    "make dev",
    # tests/test_dashboards_browser.py starts it; tests/test_dashboards_access.py
    "make dashboards",
    "kinship dashboards",
    "kinship access-log",
    "kinship access-log CUSTOMER",
    "make install",  # a part of `make run`
    "make test-slow",
    "make locks",
    "make spark",
    "make spark-s3",  # tests/test_lake_s3.py needs what it fetches
    # tests/test_benchmarks_limit.py runs their small form
    "python benchmarks/limit.py 50000 1000000 --memory 12GB --day",
    "python benchmarks/limit_steps.py components --rows 60000000",
    "make test-spark",
    "kinship dev",
    # tests/test_production.py
    "kinship docs",
    "kinship webserver",
    "kinship webserver --read-only",
    "kinship daemon",
    "kinship backup /backups/kinship",
    "kinship extract shopify --from 2026-06-01 --to 2026-07-01",  # tests/test_live.py
    "kinship run",
    "kinship run --rebuild",  # tests/test_recipes.py
    "kinship run --accept-change",  # tests/test_recipes.py
    "make bench-identity",  # tests/test_benchmarks_identity.py runs its small form
    "kinship check SOURCE",  # tests/test_extract_check.py
    "kinship publish",  # tests/test_published.py
    "kinship segments diff REF",  # tests/test_segments_diff.py
    # tests/test_identity_commands.py
    "kinship explain",
    "kinship explain A [B]",
    "kinship review",
    'kinship review ID --decide same|different --reason "..." --author me',
    # tests/test_identity_resolve.py
    # tests/test_sync_commands.py; of these that read a tool back, tests/test_opt_outs_e2e.py
    "kinship rejected SYNC",
    "kinship rejected SYNC --retry",
    "kinship suppress email",
    "kinship drift",
    "kinship drift SYNC",
    "kinship maintain",  # tests/test_maintenance.py
    # tests/test_metrics.py
    "mf query --metrics net_revenue --group-by metric_time__month",
    "mf query --metrics active_customers,churn_rate --group-by metric_time__month,country --order metric_time__month",
    "mf query --metrics reachable_audience,consent_rate --group-by channel",
    "mf list metrics",
    "mf validate-configs",
    "kinship resolve",
    "kinship resolve people.csv --id id --out resolved.csv",
}
HERE = {
    "kinship segments",
    "kinship segments --json",
    "kinship demo --people 50 --days 10 --out <folder>",
    "kinship plan",
    "kinship plan --json",
    "kinship review --list",
    "kinship train",
    "kinship sync",
    "kinship sync --dry-run",
    "kinship sync --limit 100",
    "kinship sync --resync",
    "kinship status --json",
    "kinship status",
    "kinship extract",
    "kinship check erp",
    "kinship check file",
    "kinship demo --until 2026-07-07",
}


def commands() -> dict[str, str]:
    """Every command the docs tell, with the page that tells it; settings before it are left off."""
    told = {}
    for page in DOCS:
        text = page.read_text()
        inline = re.findall(r"`((?:[A-Z_]+=\S+ )*(?:make|kinship|dbt) [^`\n]+)`", text)
        blocks = [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
        for command in inline + blocks:
            bare = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", re.sub(r"^\.venv/bin/", "", command.split("  #")[0].strip()))
            if bare:
                told[bare] = page.name
    return told


def test_every_command_in_the_docs_is_run_by_a_test() -> None:
    untested = {
        command: page for command, page in commands().items() if command not in ELSEWHERE | HERE | {"dbt build"}
    }
    assert untested == {}


def test_make_knows_every_target_the_docs_name() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {command.split()[1] for command in commands() if command.startswith("make ")} <= targets


@pytest.mark.parametrize("command", sorted(HERE))
def test_command_of_the_docs(command: str, company: Path, tmp_path: Path) -> None:
    arguments = command.replace("<folder>", str(tmp_path / "out")).split()[1:]
    done = call(KINSHIP, *arguments, env=environment(company))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_link_and_file_named_is_there() -> None:
    for page in DOCS:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_test_named_is_there() -> None:
    there = {name for file in (ROOT / "tests").glob("*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}
    named = {name for doc in DOCS for name in re.findall(r"`(test_\w+)`", doc.read_text())}
    assert named and named <= there, named - there


def test_every_table_the_readme_names_is_there(built_company: Path) -> None:
    named = set(
        re.findall(r"`((?:customers|identity|segments|reporting|reverse_etl)\.\w+)`", (ROOT / "README.md").read_text())
    )
    with duckdb.connect(str(built_company / "warehouse.duckdb"), read_only=True) as connection:
        there = {
            f"{schema}.{table}"
            for schema, table in connection.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        }
    assert len(named) >= 8
    assert named <= there


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data is not beside the checkout")
def test_real_data_goes_through_the_sources_it_resembles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_project: Callable[[Path], Path]
) -> None:
    for origin in (
        "banking77/banking77_train.parquet",
        "otto/otto_events_sample.parquet",
        "snowplow_ecommerce_0.6.1/snowplow_ecommerce_events.parquet",
        "snowplow_web_0.15.2/snowplow_web_events.parquet",
    ):
        shutil.copy(SHARED / origin, tmp_path)
    for folder in ("zendesk/tickets", "zendesk/users", "segment"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    statements = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "add-a-source.md").read_text(), re.S)
    with duckdb.connect() as connection:
        for statement in statements:
            if "to 'hubspot/" not in statement:  # tests/test_hubspot.py
                connection.execute(statement)

    data = read_project(place() / "data")
    paths = {f"KINSHIP_{source.upper()}_PATH": str(tmp_path / source) for source in ("zendesk", "segment")}
    done = call(KINSHIP, "extract", env=environment(data, **paths))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    skipped = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    built = call_dbt("build", "--select", "+customer_events", *skipped, data=data, **paths)
    assert built.returncode == 0, built.stdout[-3000:]
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        told = dict(
            connection.execute("select event_type, count(*) from customers.customer_events group by all").fetchall()
        )
        (visitors,) = connection.execute(
            "select count(distinct customer_id) from customers.customer_events where event_id like 'segment:otto-%'"
        ).fetchone() or (0,)
    assert told["ticket_opened"] == 10_003
    # OTTO: 800 clicks, 52 carts, 10 orders; Snowplow: 179 product views, 38 additions, 39 checkouts, 14 transactions
    assert told["product_viewed"] == 800 + 179
    assert told["product_added"] == 52 + 38
    assert told["checkout_started"] == 39
    assert told["order_completed_web"] == 10 + 14
    with duckdb.connect() as connection:
        sessions = connection.execute("select count(distinct session) from 'otto_events_sample.parquet'").fetchone()
    assert sessions == (visitors,)
