"""People of a real CRM are extracted, joined with what others know of them, and get their stage sent back.

The CRM's records are written as files in the shape of a source we have, the short way of docs/add-a-source.md.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import KINSHIP, ROOT, call, environment
from servers.tryton import Crm, running
from test_recipes import CODE, FILES

SYNC = "sync_tryton__parties"
MODEL = """
{{ config(meta={'sync': {
    'destination': 'tryton', 'object': 'party.party', 'key': 'email', 'mode': 'update',
    'purpose': 'marketing', 'channel': 'email', 'owner': 'crm@example.com',
}}) }}
select customers.customer_id, customers.email, list_value(customers.lifecycle_stage) as categories
from {{ ref('customers') }} as customers
where customers.customer_id in (
    select customer_id from {{ ref('identity_graph') }} where source = 'vtiger' and record_id like 'contacts:tryton-%'
)
"""
FIELDS = ["name", "email", "phone", "categories.name", "create_date", "write_date"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("project")
    for name in CODE:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    # Tryton's clock is today's: segments of the last hours are empty then, and a guard would stop their syncs
    for model in (copy / "models" / "activation").glob("sync_*.sql"):
        model.unlink()
    (copy / "models" / "activation" / f"{SYNC}.sql").write_text(MODEL)
    return copy


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    (tmp_path / "tryton").mkdir()
    with running(tmp_path / "tryton") as crm:
        yield crm


def add(crm: Crm, name: str, email: str, *categories: int) -> int:
    contacts = [["create", [{"type": "email", "value": email}]]]
    party = {"name": name, "contact_mechanisms": contacts, "categories": [["add", list(categories)]]}
    (number,) = crm.call("model.party.party.create", [party])
    return int(number)


def changed_at(party: dict[str, Any]) -> datetime:
    stamp = party["write_date"] or party["create_date"]
    return datetime(**{name: value for name, value in stamp.items() if name != "__class__"})


def pull(crm: Crm, folder: Path, since: datetime | None) -> datetime:
    """Write the parties that changed since then as Vtiger's contacts; when the last of them did."""
    found = crm.call("model.party.party.search_read", [], 0, None, [["id", "ASC"]], FIELDS)
    fresh = [party for party in found if since is None or changed_at(party) > since]
    records = [
        {
            "id": f"tryton-{party['id']}",
            "firstname": party["name"].split()[0],
            "lastname": party["name"].split()[-1],
            "email": party["email"],
            "phone": party["phone"] or "",
            "emailoptout": "0",
            "cf_marketing_consent": "yes" if "newsletter" in {c["name"] for c in party["categories."]} else "",
            "cf_consent_date": f"{changed_at(party):%Y-%m-%d}",
            "createdtime": f"{changed_at(party):%Y-%m-%d %H:%M:%S}",
            "modifiedtime": f"{changed_at(party):%Y-%m-%d %H:%M:%S}",
        }
        for party in fresh
        if party["email"]
    ]
    file = folder / f"tryton-{len(list(folder.glob('tryton-*')))}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return max(map(changed_at, found))


def categories(crm: Crm) -> dict[str, set[str]]:
    found = crm.call("model.party.party.search_read", [], 0, None, None, ["email", "categories.name"])
    return {party["email"]: {c["name"] for c in party["categories."]} for party in found if party["email"]}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_people_of_a_real_crm_go_there_and_back(project: Path, company: Path, crm: Crm) -> None:
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        buyers = warehouse.execute(
            """select any_value(first_name || ' ' || last_name), email from customers.customers
            where email is not null and first_name not like '% %' and last_name not like '% %'
            -- an address with a third name at it becomes one that several share
            and customer_id not in (
                select customer_id from customers.customer_attribute_sources
                where attribute in ('first_name', 'last_name') and distinct_value_count > 1
            )
            group by email having count(*) = 1 and sum(order_count) > 0 and bool_and(has_email_marketing_consent)
            order by email limit 3"""
        ).fetchall()
    assert len(buyers) == 3
    (newsletter,) = crm.call("model.party.category.create", [{"name": "newsletter"}])
    for name, email in buyers:
        add(crm, name, email, newsletter)
    for number in range(4):
        add(crm, f"Xaver{number} Quittenbaum{number}", f"xq{number}@quittenbaum.example", newsletter)
    add(crm, "Yorick Schweiger", "ys@schweiger.example")
    contacts = company / "sources" / "vtiger" / "contacts"
    since = pull(crm, contacts, None)

    env = environment(company, PYTHONPATH=str(project), **crm.environment)
    done = call(KINSHIP, "run", env=env, cwd=project, timeout=2800)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        stages = dict(warehouse.execute("select email, lifecycle_stage from customers.customers").fetchall())
        known = warehouse.execute(
            """select count(distinct customer_id) from identity.identity_graph
            where source <> 'vtiger' and customer_id in (
                select customer_id from identity.identity_graph
                where source = 'vtiger' and record_id like 'contacts:tryton-%'
            )"""
        ).fetchone()
    assert known == (3,), "the buyers are who they were, the others are new"
    held = categories(crm)
    for email, names in held.items():
        assert names == (set() if email == "ys@schweiger.example" else {"newsletter", stages[email]}), email
    assert len(held) == 8 and len({stages[email] for email in held if email in stages}) > 1

    calls = crm.calls
    done = call(KINSHIP, "sync", SYNC, env=env, cwd=project)
    assert done.returncode == 0, done.stderr
    assert crm.calls == calls, "nothing differs, nothing is called"

    # only what changed since is read again
    add(crm, "Zoe Zeller", "zz@zeller.example")
    pull(crm, contacts, since)
    fresh = [json.loads(line)["email"] for line in (contacts / "tryton-1.jsonl").read_text().splitlines()]
    assert "zz@zeller.example" in fresh and not set(fresh) - set(categories(crm))
