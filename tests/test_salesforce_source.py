"""Salesforce switched on as a source, as docs/live-sources.md says: from a server of its kind to staging."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import DBT, KINSHIP, call, environment
from servers.salesforce_source import SalesforceSource
from switched_on import switched_on

Query = Callable[[str], list[tuple[Any, ...]]]
INA, TWIN, JO, PAT = (f"003{letter * 15}" for letter in "ATJP")
LEAD, OVENS, PERSON, DEAL = (f"{prefix}{'A' * 15}" for prefix in ("00Q", "001", "001B", "006"))


@pytest.fixture
def org() -> Iterator[SalesforceSource]:
    """A contact with a twin, a lead that became her, a company with a deal, a person account, somebody deleted."""
    with SalesforceSource() as org:
        org.objects["Account"] |= {"IsPersonAccount"}
        org.add("Contact", INA, FirstName="Ina", LastName="Petrova", Email="Ina@example.com", AccountId=OVENS,
                MailingStreet="ul. Shipka 6\nvhod B", MailingCountry="Bulgaria", Title="Cook")  # fmt: skip
        org.add("Contact", TWIN, FirstName="Ina", LastName="Petrova", Email="ina@old.example")
        org.add("Contact", JO, LastName="Berg", Email="jo@example.com")
        org.add("Contact", PAT, LastName="Lee", Email="pat@example.com", AccountId=PERSON, DoNotCall=True)
        org.add("Lead", LEAD, LastName="Petrova", Email="ina@work.example", Company="Ovens", Status="Qualified",
                IsConverted=True, ConvertedContactId=INA)  # fmt: skip
        org.add("Account", OVENS, Name="Ovens Ltd", Website="https://www.ovens.example/shop", NumberOfEmployees=12)
        org.add("Account", PERSON, Name="Pat Lee", IsPersonAccount=True)
        org.add("Opportunity", DEAL, Name="Two ovens", AccountId=OVENS, StageName="Proposal/Price Quote", Amount=1200.5,
                IsClosed=False, IsWon=False, Probability=75.0, CloseDate="2026-03-01")  # fmt: skip
        org.add("OpportunityContactRole", "00K1", OpportunityId=DEAL, ContactId=INA, IsPrimary=True)
        org.add("Task", "00T1", WhoId=LEAD, TaskSubtype="Call", Status="Completed", IsClosed=True,
                CompletedDateTime="2026-01-05T10:00:00.000+0000")  # fmt: skip
        org.add("Event", "00U1", WhoId=INA, StartDateTime="2026-01-06T10:00:00.000+0000",
                EndDateTime="2026-01-06T11:00:00.000+0000")  # fmt: skip
        yield org


@pytest.mark.slow
def test_what_salesforce_says_is_staged(org: SalesforceSource, tmp_path: Path) -> None:
    project = switched_on(tmp_path / "project", "salesforce")
    env = environment(tmp_path / "data", PYTHONPATH=str(project), **org.environment)
    told = call(KINSHIP, "check", "salesforce", env=env, cwd=project)
    assert "source salesforce: ok: the API answers for contacts" in told.stdout, told.stdout + told.stderr
    for change in (lambda: None, lambda: org.merge("Contact", winner=INA, loser=TWIN), lambda: org.bin("Contact", JO)):
        change()
        done = call(KINSHIP, "extract", "salesforce", env=env, cwd=project)
        assert done.returncode == 0, done.stdout + done.stderr
    models = ("path:models/staging/salesforce", "identity_policy", "countries")
    # with the source's contracts, data tests and unit tests; not with those that want every source's tables
    built = call(DBT, "build", "--indirect-selection", "cautious", "--select", *models, env=env, cwd=project)
    assert built.returncode == 0, built.stdout[-4000:]
    assert "WARN=0" in built.stdout and " unit tests," in built.stdout

    check(ask(tmp_path / "data"))
    # `make lint` passes over models that are not enabled
    linted = call(DBT.with_name("sqlfluff"), "lint", "models/staging/salesforce", env=env, cwd=project)
    assert linted.returncode == 0 and "Skipped" not in linted.stdout + linted.stderr, linted.stdout[-2000:]


@pytest.mark.slow
def test_a_lead_and_two_contacts_are_a_person_whom_other_systems_know(
    company: Path, org: SalesforceSource, tmp_path: Path
) -> None:
    """One contact bought in the shop, the other was merged into it, and the lead has become it."""
    query = ask(company)
    ((email,),) = query(
        "select email from customers.customers where order_count > 0 group by email having count(*) = 1 "
        "order by email limit 1"
    )
    org.add("Contact", INA, Email=email)
    org.merge("Contact", winner=INA, loser=TWIN)
    project = switched_on(tmp_path / "project", "salesforce")
    env = environment(company, PYTHONPATH=str(project), **org.environment)
    models = ("path:models/staging/salesforce", "path:models/identity", "+customer_deals", "+customer_leads")
    for command in (
        [KINSHIP, "extract", "salesforce"], [DBT, "seed"], [DBT, "run", "--select", *models]
    ):  # fmt: skip
        done = call(*command, env=env, cwd=project)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    known = query(
        "select list(record_id order by record_id) filter (source = 'salesforce'), count(distinct source) > 1 "
        "from identity.identity_graph group by customer_id "
        f"having bool_or(source = 'salesforce' and record_id = 'contacts:{INA}')"
    )
    assert known == [([f"contacts:{INA}", f"contacts:{TWIN}", f"leads:{LEAD}"], True)]
    assert query(
        "select stage, amount, currency, is_open, customer_id is not null from customers.customer_deals "
        f"where deal_id = 'salesforce:{DEAL}'"
    ) == [("Proposal/Price Quote", Decimal("1200.50"), "EUR", True, True)]
    assert query(
        "select is_converted, customer_id is not null from customers.customer_leads "
        f"where lead_id = 'salesforce:{LEAD}'"
    ) == [(True, True)]


def ask(data: Path) -> Query:
    def query(text: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(text).fetchall()

    return query


def check(query: Query) -> None:
    names = "select identifier_type, identifier_value from staging.stg_salesforce__identifiers where record_id"
    assert query(f"{names} = 'contacts:{INA}' order by all") == [
        ("email", "Ina@example.com"), ("salesforce_contact_id", INA), ("salesforce_contact_id", TWIN),
    ]  # fmt: skip
    assert query(f"{names} = 'contacts:{TWIN}' order by all") == [
        ("email", "ina@old.example"), ("salesforce_contact_id", TWIN),
    ]  # fmt: skip
    assert query(f"{names} = 'leads:{LEAD}' order by all") == [
        ("email", "ina@work.example"), ("salesforce_contact_id", INA), ("salesforce_lead_id", LEAD),
    ]  # fmt: skip
    assert query(f"{names} = 'contacts:{JO}'") == []
    values = "select attribute, value from staging.stg_salesforce__attributes where record_id"
    assert query(f"{values} = 'contacts:{INA}' order by all") == [
        ("company_domain", "ovens.example"),
        ("company_name", "Ovens Ltd"),
        ("country_code", "BG"),
        ("email", "Ina@example.com"),
        ("first_name", "Ina"),
        ("job_title", "Cook"),
        ("last_name", "Petrova"),
        ("street", "ul. Shipka 6, vhod B"),
    ]
    assert query("select company_id, company_domain, name, employee_count from staging.stg_salesforce__companies") == [
        (OVENS, "ovens.example", "Ovens Ltd", 12)
    ]
    deals = "select deal_id, record_id, company_id, stage, amount, currency, probability, expected_close_date"
    assert query(f"{deals} from staging.stg_salesforce__deals") == [
        (DEAL, f"contacts:{INA}", OVENS, "Proposal/Price Quote", Decimal("1200.50"), "EUR", 0.75, date(2026, 3, 1))
    ]
    assert query("select lead_id, status, is_converted from staging.stg_salesforce__leads") == [
        (LEAD, "Qualified", True)
    ]
    assert query("select event_id, record_id, event_type from staging.stg_salesforce__events order by all") == [
        ("events:00U1", f"contacts:{INA}", "meeting_held"),
        (f"leads:{LEAD}", f"leads:{LEAD}", "lead_created"),
        (f"opportunities:{DEAL}", f"contacts:{INA}", "deal_created"),
        ("tasks:00T1", f"leads:{LEAD}", "call_made"),
    ]
    assert query("select record_id, channel, status from staging.stg_salesforce__consents") == [
        (f"contacts:{PAT}", "phone", "withdrawn")
    ]
    classes = "select table_name, record_class, records from staging.stg_salesforce__accounting where records > 0"
    assert query(f"{classes} and table_name in ('accounts', 'contacts') order by all") == [
        ("accounts", "person_account", 1),
        ("accounts", "staged", 1),
        ("contacts", "deleted", 1),
        ("contacts", "earlier_appearance", 3),
        ("contacts", "merged", 1),
        ("contacts", "staged", 2),
    ]
