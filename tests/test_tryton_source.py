"""Tryton switched on as a source, as docs/live-sources.md says: from the real one to staging, and to the customers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import DBT, KINSHIP, call, environment
from servers.tryton import Crm, running
from switched_on import switched_on

Query = Callable[[str], list[tuple[Any, ...]]]


@dataclass
class Content:
    """Ids of what Tryton is given."""

    ina: int
    twin: int
    ovens: int
    gone: int
    lead: int
    deal: int


def furnish(crm: Crm, email: str = "Ina@example.com") -> Content:
    """A person with a twin that was merged into her, a company, somebody archived, a lead, a deal, a mailing list."""
    (bulgaria,) = crm.call("model.country.country.create", [{"name": "Bulgaria", "code": "BG"}])
    address = {
        "street_unstructured": "ul. Shipka 6\nvhod B",
        "city": "Sofia",
        "postal_code": "1504",
        "country": bulgaria,
    }
    ina = party(crm, "Ina Petrova", addresses=[["create", [address]]], email=email, mobile="0888123456")
    twin = party(crm, "Ina Petrova", email="ina@old.example")
    ovens = party(crm, "Ovens Ltd", email="info@ovens.example", website="https://www.ovens.example/shop")
    crm.call("model.party.identifier.create", [{"party": ovens, "type": "eu_vat", "code": "BE0428759497"}])
    gone = party(crm, "Jo Berg", email="jo@example.com")
    crm.call("model.party.party.write", [gone], {"active": False})
    step(crm, "party.replace", "replace", {"source": twin, "destination": ina})

    (currency,) = crm.call("model.currency.currency.create", [{"name": "Lev", "code": "BGN", "symbol": "lv"}])
    house = party(crm, "Our House")
    (company,) = crm.call("model.company.company.create", [{"party": house, "currency": currency}])
    (employee,) = crm.call("model.company.employee.create", [{"party": house, "company": company}])
    crm.call("model.res.user.write", [1], {"companies": [["add", [company]]], "company": company})
    (contact, *_) = crm.call("model.party.party.read", [ina], ["contact_mechanisms"])[0]["contact_mechanisms"]
    more = {"company": company, "currency": currency, "employee": employee}
    lead, deal = crm.call(
        "model.sale.opportunity.create",
        [
            {"description": "Pans", "party": ina, **more},
            {
                "description": "Two ovens", "party": ovens, "contact": contact,
                "amount": {"__class__": "Decimal", "decimal": "1200.50"}, **more,
            },
        ],
        context={"company": company},
    )  # fmt: skip
    crm.call("model.sale.opportunity.opportunity", [deal], context={"company": company})

    (newsletter,) = crm.call("model.marketing.email.list.create", [{"name": "Newsletter"}])
    crm.call("model.marketing.email.create", [{"email": "lu@example.com", "list_": newsletter, "active": True}])
    return Content(ina, twin, ovens, gone, lead, deal)


def party(crm: Crm, name: str, addresses: Any = (), **contacts: str) -> int:
    mechanisms = [{"type": kind, "value": value} for kind, value in contacts.items()]
    record = {"name": name, "contact_mechanisms": [["create", mechanisms]], "addresses": addresses}
    (id,) = crm.call("model.party.party.create", [record])
    return int(id)


def step(crm: Crm, wizard: str, state: str, values: dict[str, Any]) -> None:
    session = crm.call(f"wizard.{wizard}.create")[0]
    crm.call(f"wizard.{wizard}.execute", session, {"ask": values}, state)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return switched_on(tmp_path_factory.mktemp("project"), "tryton")


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    (tmp_path / "tryton").mkdir()
    with running(tmp_path / "tryton", "sale_opportunity") as crm:
        yield crm


def ask(data: Path) -> Query:
    def query(text: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(text).fetchall()

    return query


@pytest.mark.slow
def test_what_tryton_says_is_staged(project: Path, crm: Crm, tmp_path: Path) -> None:
    there = furnish(crm)
    env = environment(tmp_path / "data", PYTHONPATH=str(project), **crm.source_environment)
    told = call(KINSHIP, "check", "tryton", env=env, cwd=project)
    assert "source tryton: ok: the API answers for parties" in told.stdout, told.stdout + told.stderr
    done = call(KINSHIP, "extract", "tryton", env=env, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    models = ("path:models/staging/tryton", "identity_policy", "countries")
    # with the source's contracts, data tests and unit tests; not with those that want every source's tables
    built = call(DBT, "build", "--indirect-selection", "cautious", "--select", *models, env=env, cwd=project)
    assert built.returncode == 0, built.stdout[-4000:]
    assert "WARN=0" in built.stdout and " unit tests," in built.stdout

    query = ask(tmp_path / "data")
    ina, twin = f"parties:{there.ina}", f"parties:{there.twin}"
    names = (
        "select identifier_type, identifier_value, country_code from staging.stg_tryton__identifiers where record_id"
    )
    assert query(f"{names} = '{ina}' order by all") == [
        ("email", "Ina@example.com", "BG"),
        ("email", "ina@old.example", "BG"),
        ("phone", "0888123456", "BG"),
        ("tryton_party_id", str(there.ina), "BG"),
        ("tryton_party_id", str(there.twin), None),
    ]
    # Tryton hands over what the twin had; its number leads its records to her
    assert query(f"{names} = '{twin}'") == [("tryton_party_id", str(there.twin), None)]
    assert query(f"{names} = 'parties:{there.ovens}'") == []
    values = "select attribute, value from staging.stg_tryton__attributes where record_id"
    assert query(f"{values} = '{ina}' order by all") == [
        ("city", "Sofia"),
        ("country_code", "BG"),
        ("email", "Ina@example.com"),
        ("full_name", "Ina Petrova"),
        ("phone", "0888123456"),
        ("postal_code", "1504"),
        ("street", "ul. Shipka 6, vhod B"),
    ]
    assert query(f"select * from staging.stg_tryton__attributes where record_id = 'parties:{there.gone}'") == []
    assert query("select company_id, company_domain, name from staging.stg_tryton__companies") == [
        (str(there.ovens), "ovens.example", "Ovens Ltd")
    ]
    deals = "select deal_id, record_id, company_id, name, stage, amount, currency, probability, expected_close_date"
    assert query(f"{deals} from staging.stg_tryton__deals") == [
        (str(there.deal), ina, str(there.ovens), "Two ovens", "opportunity", Decimal("1200.50"), "BGN", 0.5, None)
    ]
    assert query("select lead_id, record_id, status, is_converted from staging.stg_tryton__leads") == [
        (str(there.lead), ina, "lead", False)
    ]
    assert query("select purpose, channel, status from staging.stg_tryton__consents") == [
        ("marketing", "email", "granted")
    ]
    classes = query(
        "select record_class, records from staging.stg_tryton__accounting where table_name = 'parties' order by all"
    )
    assert classes == [("archived", 1), ("earlier_appearance", 0), ("merged", 1), ("staged", 3)]
    # `make lint` passes over models that are not enabled
    linted = call(DBT.with_name("sqlfluff"), "lint", "models/staging/tryton", env=env, cwd=project)
    assert linted.returncode == 0 and "Skipped" not in linted.stdout + linted.stderr, linted.stdout[-2000:]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_party_is_a_person_whom_other_systems_know(project: Path, company: Path, crm: Crm) -> None:
    query = ask(company)
    ((email,),) = query(
        "select email from customers.customers where order_count > 0 group by email having count(*) = 1 "
        "order by email limit 1"
    )
    there = furnish(crm, email)
    env = environment(company, PYTHONPATH=str(project), **crm.source_environment)
    done = call(KINSHIP, "run", "--accept-change", env=env, cwd=project, timeout=2800)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    known = query(
        "select list(record_id order by record_id) filter (source = 'tryton'), count(distinct source) > 1 "
        "from identity.identity_graph group by customer_id "
        f"having bool_or(source = 'tryton' and record_id = 'parties:{there.ina}')"
    )
    assert known == [(sorted([f"parties:{there.ina}", f"parties:{there.twin}"]), True)], "she is the buyer"
    deals = query(
        "select deals.stage, deals.amount, deals.is_open, accounts.name from customers.customer_deals as deals "
        "inner join customers.accounts as accounts using (account_id) "
        f"where deals.deal_id = 'tryton:{there.deal}' and deals.customer_id is not null"
    )
    assert deals == [("opportunity", Decimal("1200.50"), True, "Ovens Ltd")]
    consents = query("select status, is_allowed from customers.customer_consents where source = 'tryton'")
    assert consents == [("granted", True)]
