"""Somebody unsubscribes at the mail tool: the next run knows, every sync takes the person out, nothing undoes it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, ROOT, addresses, call, environment
from servers.mailchimp import LIST, MailchimpServer
from test_recipes import CODE, FILES

SYNC = "sync_mailchimp__members"
MODEL = f"""
{{{{ config(meta={{'sync': {{
    'destination': 'mailchimp', 'object': 'members', 'key': 'email_address', 'mode': 'upsert',
    'purpose': 'marketing', 'channel': 'email', 'owner': 'growth@example.com', 'options': {{'list_id': '{LIST}'}},
}}}}) }}}}
select customers.customer_id, customers.email as email_address, customers.first_name as "FNAME"
from {{{{ ref('cart_abandoned_4_hours') }}}} as segment
inner join {{{{ ref('customers') }}}} as customers on segment.customer_id = customers.customer_id
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("project")
    for name in CODE:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    (copy / "models" / "activation" / f"{SYNC}.sql").write_text(MODEL)
    return copy


@pytest.fixture
def mailchimp() -> Iterator[MailchimpServer]:
    with MailchimpServer() as server:
        assert isinstance(server, MailchimpServer)
        yield server


def ask_again(data: Path) -> None:
    """A day goes by: the tool is asked once a day who unsubscribed."""
    with duckdb.connect(str(data / "ledger" / f"{SYNC}.duckdb")) as ledger:
        ledger.execute("delete from polls")


def plan(project: Path, env: dict[str, str], sync: str) -> dict[str, object]:
    done = call(KINSHIP, "plan", sync, "--json", env=env, cwd=project)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)["syncs"][0]
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_unsubscribe_at_the_tool_reaches_the_consents_and_every_sync(
    project: Path, company: Path, mailchimp: MailchimpServer
) -> None:
    env = environment(company, PYTHONPATH=str(project), **mailchimp.environment)
    with duckdb.connect(str(company / "warehouse.duckdb")) as warehouse:
        # what the model's view is, without building everything for it
        warehouse.execute(
            f"create view activation.{SYNC} as select customers.customer_id, email as email_address,"
            ' first_name as "FNAME" from segments.cart_abandoned_4_hours inner join customers.customers'
            " using (customer_id)"
        )
    done = call(KINSHIP, "sync", SYNC, env=env, cwd=project)
    assert done.returncode == 0, done.stderr
    assert len(mailchimp.members) > 2

    # somebody clears a field over there: drift is seen, and mended by the next run
    victim = next(iter(mailchimp.members.values()))
    before, victim.fields["FNAME"] = victim.fields["FNAME"], "Nobody"
    drifted = call(KINSHIP, "drift", SYNC, "--full", env=env, cwd=project)
    assert drifted.returncode == 1, drifted.stdout + drifted.stderr
    assert "~ 1 different" in drifted.stdout and "FNAME (1)" in drifted.stdout
    assert not addresses(drifted.stdout)
    assert call(KINSHIP, "drift", SYNC, "--full", "--resend", env=env, cwd=project).returncode == 0
    assert call(KINSHIP, "sync", SYNC, env=env, cwd=project).returncode == 0
    assert victim.fields["FNAME"] == before
    assert call(KINSHIP, "drift", SYNC, env=env, cwd=project).returncode == 0

    gone, *others = sorted(member.email for member in mailchimp.members.values())
    mailchimp.get(gone).status, mailchimp.get(gone).said_no = "unsubscribed", True
    ask_again(company)
    done = call(KINSHIP, "sync", SYNC, env=env, cwd=project)
    assert done.returncode == 0, done.stderr
    files = list((company / "sources" / "destinations").rglob("*.jsonl"))
    assert len(files) == 1
    # the next run reads what another process may have written twice
    shutil.copy(files[0], files[0].with_name("again.jsonl"))

    done = call(KINSHIP, "run", env=env, cwd=project, timeout=1500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        customer = "(select customer_id from customers.customers where email = $1)"
        consent = warehouse.execute(
            f"select status, source from customers.customer_consents where customer_id = {customer}"
            " and purpose = 'marketing' and channel = 'email'",
            [gone],
        ).fetchall()
        events = warehouse.execute(
            "select count(*) from customers.customer_consent_events where source = 'destinations'"
        ).fetchone()
        removed = warehouse.execute(
            "select operation from reverse_etl.sync_results where sync = 'sync_file__cart_abandoned'"
            " and key_hash = sha256($1) order by recorded_at",
            [gone],
        ).fetchall()
    assert consent == [("withdrawn", "destinations")]
    assert events == (1,), "told twice, said once"
    assert removed == [("add",), ("remove",)]
    assert mailchimp.get(gone).status == "unsubscribed"
    assert {mailchimp.get(email).status for email in others} == {"subscribed"}

    assert plan(project, env, SYNC)["adds"] == 0
    ask_again(company)
    assert call(KINSHIP, "sync", SYNC, env=env, cwd=project).returncode == 0
    assert len(list((company / "sources" / "destinations").rglob("*.jsonl"))) == 2, "told once"
    assert mailchimp.get(gone).status == "unsubscribed", "nobody is brought back"
