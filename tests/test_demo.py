"""The simulated company: the same seed is the same company, it can go on, and its truth is complete and kept apart."""

import csv
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import phonenumbers
import pyarrow.parquet as pq
import pytest

from demo.company import DEFAULT_END, Summary, simulate
from demo.dirt import PLACEHOLDER_EMAILS, PLACEHOLDER_PHONES
from demo.locales import LOCALES, transliterate
from demo.people import Person, Unit, units
from demo.sources.shopify import TIER_FROM_DAY
from kinship.settings import ROOT

PEOPLE, DAYS, SEED = 600, 60, 7
LATER = DEFAULT_END + timedelta(days=11)

# docs/sources.md: what staging reads of each record; the first names are required.
REQUIRED = {
    "vtiger/contacts": ("id", "modifiedtime"),
    "vtiger/leads": ("id", "modifiedtime"),
    "vtiger/accounts": ("id", "modifiedtime"),
    "vtiger/potentials": ("id", "modifiedtime"),
    "vtiger/events": ("id", "modifiedtime"),
    "shopify/customers": ("id", "updated_at"),
    "shopify/orders": ("id", "created_at"),
    "shopify/checkouts": ("id", "created_at"),
    "shopify/products": ("id",),
    "segment/events": ("messageId", "type", "timestamp"),
    "klaviyo/profiles": ("id",),
    "klaviyo/metrics": ("id",),
    "klaviyo/events": ("id",),
    "zendesk/users": ("id", "updated_at"),
    "zendesk/tickets": ("id", "updated_at"),
    "zendesk/comments": ("id", "created_at"),
    "zendesk/satisfaction_ratings": ("id", "updated_at"),
    "erp/invoices": ("invoice_no", "invoice_ts"),
    "ads/campaign_costs": ("date", "campaign"),
    "enrichment/people": ("email", "updated_at"),
    "enrichment/companies": ("domain", "updated_at"),
}
FIELDS = {
    "vtiger/contacts": (
        "contact_no firstname lastname email secondaryemail phone mobile account_id birthday mailingstreet "
        "mailingcity mailingzip mailingcountry leadsource emailoptout donotcall cf_loyalty_number "
        "cf_marketing_consent cf_consent_date assigned_user_id createdtime"
    ),
    "vtiger/leads": (
        "lead_no firstname lastname email phone mobile company leadsource leadstatus city country emailoptout "
        "converted createdtime"
    ),
    "vtiger/accounts": "account_no accountname website email1 phone industry bill_city bill_country createdtime",
    "vtiger/potentials": (
        "potential_no potentialname amount closingdate sales_stage probability related_to contact_id "
        "leadsource createdtime"
    ),
    "vtiger/events": "subject activitytype date_start time_start eventstatus contact_id createdtime",
    "shopify/customers": (
        "email phone first_name last_name created_at state verified_email tags currency default_address "
        "email_marketing_consent sms_marketing_consent"
    ),
    "shopify/orders": (
        "name email phone updated_at processed_at cancelled_at cancel_reason currency total_price "
        "subtotal_price total_tax total_discounts financial_status fulfillment_status customer "
        "billing_address shipping_address line_items discount_codes refunds checkout_token cart_token "
        "landing_site referring_site source_name"
    ),
    "shopify/checkouts": (
        "token cart_token email phone updated_at completed_at abandoned_checkout_url currency total_price "
        "line_items customer"
    ),
    "shopify/products": "title vendor product_type handle tags created_at updated_at variants",
    "segment/events": "anonymousId originalTimestamp sentAt receivedAt context",
    "klaviyo/profiles": "type attributes",
    "klaviyo/metrics": "type attributes",
    "klaviyo/events": "type attributes relationships",
    "zendesk/users": "name email phone role locale time_zone external_id created_at",
    "zendesk/tickets": "subject description status priority type requester_id assignee_id tags via created_at",
    "zendesk/comments": "ticket_id author_id body public",
    "zendesk/satisfaction_ratings": "ticket_id requester_id score comment created_at",
    "erp/invoices": "stock_code description quantity unit_price customer_id country",
    "ads/campaign_costs": "channel impressions clicks cost currency",
    "enrichment/people": "full_name job_title seniority company_domain age_band income_band country_code",
    "enrichment/companies": "name industry employees country_code",
}
EMAIL = re.compile(r"[^\s\"',:;<>()\[\]\\]+@[^\s\"',:;<>()\[\]\\/]+")


def table_of(path: Path, out: Path) -> str:
    """The table a file of `out` belongs to: `shopify/orders`, `erp/invoices`."""
    source, *rest = path.relative_to(out).parts
    single = {"segment": "segment/events", "erp": "erp/invoices", "ads": "ads/campaign_costs"}
    return single.get(source) or f"{source}/{rest[0]}"


class Company:
    """One simulated company on disk."""

    def __init__(self, folder: Path, days: int = DAYS, until: date | None = None) -> None:
        self.out = folder / "sources"
        self.truth = folder / "truth"
        self.summary: Summary = simulate(PEOPLE, days, SEED, self.out, until)

    def files(self) -> dict[str, str]:
        """Relative path -> checksum."""
        return {
            str(path.relative_to(self.out)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.out.rglob("*"))
            if path.is_file()
        }

    def paths(self, table: str) -> list[Path]:
        return [path for path in sorted(self.out.rglob("*")) if path.is_file() and table_of(path, self.out) == table]

    def lines(self, table: str) -> Iterator[tuple[Path, str]]:
        for path in self.paths(table):
            text = (
                gzip.decompress(path.read_bytes()).decode()
                if path.suffix == ".gz"
                else path.read_text(encoding="utf-8")
            )
            for line in text.splitlines():
                yield path, line

    def everything(self, table: str) -> Iterator[tuple[Path, dict[str, Any] | None]]:
        """Every record as it stands, None where a line cannot be read."""
        for path in self.paths(table):
            if path.suffix == ".parquet":
                yield from ((path, row) for row in pq.read_table(path).to_pylist())
            elif path.suffix == ".csv":
                with path.open(encoding="utf-8", newline="") as file:
                    header, *rows = list(csv.reader(file))
                yield from (
                    (path, dict(zip(header, row, strict=True)) if len(row) == len(header) else None) for row in rows
                )
        if table not in ("erp/invoices", "ads/campaign_costs") and not table.startswith("enrichment"):
            for path, line in self.lines(table):
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                yield path, record if isinstance(record, dict) else None

    def good(self, table: str) -> list[dict[str, Any]]:
        return [record for _, record in self.everything(table) if record is not None and is_good(table, record)]

    def owners(self) -> dict[tuple[str, str], dict[str, Any]]:
        rows = pq.read_table(self.truth / "records.parquet").to_pylist()
        owners = {(row["source"], row["record_id"]): row for row in rows}
        assert len(owners) == len(rows), "a record stands twice in the truth"
        return owners


def _e164(person: Person) -> str:
    return f"+{person.locale.calling_code}{person.mobile}"


def is_good(table: str, record: dict[str, Any]) -> bool:
    """The rule of the quarantine: what is required is there and is of its type."""
    for name in REQUIRED[table]:
        value = record.get(name)
        if value in (None, ""):
            return False
        if name not in ("id", "messageId", "type", "invoice_no", "campaign", "email", "domain"):
            try:
                datetime.fromisoformat(str(value))
            except ValueError:
                return False
    return True


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Company]:
    """A company that went on eleven days later: the files before, and the company after."""
    folder = tmp_path_factory.mktemp("extended")
    before = Company(folder).files()
    return before, Company(folder, until=LATER)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The same history in one go."""
    return Company(tmp_path_factory.mktemp("longer"), days=DAYS + 11, until=LATER)


def test_same_seed_same_bytes_in_another_process(company: Company, tmp_path: Path) -> None:
    """Another process hashes text differently: an order taken from a set would show."""
    script = (
        "import sys; from pathlib import Path; from demo.company import simulate; "
        f"simulate({PEOPLE}, {DAYS}, {SEED}, Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "sources")], cwd=ROOT, env=environment, check=True)
    for folder in ("sources", "truth"):
        there, here = company.out.parent / folder, tmp_path / folder
        names = sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
        assert names == sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
        assert [name for name in names if (there / name).read_bytes() != (here / name).read_bytes()] == []


def test_other_seed_other_company(company: Company, tmp_path: Path) -> None:
    simulate(50, 10, SEED + 1, tmp_path / "other")
    simulate(50, 10, SEED, tmp_path / "same" / "sources")
    other = (tmp_path / "other" / "vtiger/contacts").glob("*")
    assert {path.read_bytes() for path in other}.isdisjoint(
        {path.read_bytes() for path in (tmp_path / "same" / "sources" / "vtiger/contacts").glob("*")}
    )


def test_going_on_writes_only_new_files(extended: tuple[dict[str, str], Company]) -> None:
    before, after = extended
    files = after.files()
    assert {name: files.get(name) for name in before} == before
    new = sorted(set(files) - set(before))
    assert new
    days = [match[0] for name in new if (match := re.search(r"\d{4}-\d{2}(-\d{2})?", name))]
    assert len(days) == len(new), "only files of days and months are new"
    assert min(days) >= "2026-07"


def test_going_on_is_the_tail_of_the_longer_run(extended: tuple[dict[str, str], Company], longer: Company) -> None:
    _, after = extended
    assert after.files() == longer.files()
    assert after.owners() == longer.owners()


def test_going_on_twice_within_a_month_adds_up(extended: tuple[dict[str, str], Company], tmp_path: Path) -> None:
    Company(tmp_path)
    Company(tmp_path, until=DEFAULT_END + timedelta(days=4))
    twice = Company(tmp_path, until=LATER)
    _, once = extended
    assert Path(tmp_path / "sources/erp/invoices_2026-07_from_05.csv").exists()
    for table in REQUIRED:
        if table not in ("erp/invoices", "ads/campaign_costs"):
            assert [path.read_bytes() for path in twice.paths(table)] == [
                path.read_bytes() for path in once.paths(table)
            ]
        else:
            rows = [line for _, line in twice.lines(table) if not line.startswith(("invoice_no", "date"))]
            assert rows == [line for _, line in once.lines(table) if not line.startswith(("invoice_no", "date"))]


def test_nothing_new_writes_the_same(tmp_path: Path) -> None:
    first = simulate(40, 20, 3, tmp_path / "sources")
    state = (tmp_path / "truth/company.json").read_bytes()
    assert simulate(40, 20, 3, tmp_path / "sources", until=DEFAULT_END) == first
    assert (tmp_path / "truth/company.json").read_bytes() == state


def test_a_run_that_was_broken_off_is_made_good(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done > 44:  # all lives are lived, the files are being written
            raise Interrupted

    with pytest.raises(Interrupted):
        simulate(40, 20, 3, tmp_path / "a/sources", progress=stop)
    assert not list((tmp_path / "a").glob(".demo-*")), "scratch files stay behind"
    simulate(40, 20, 3, tmp_path / "a/sources")
    simulate(40, 20, 3, tmp_path / "b/sources")
    contents = [
        {path.relative_to(tmp_path / one): path.read_bytes() for path in (tmp_path / one).rglob("*") if path.is_file()}
        for one in "ab"
    ]
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"people": 0}, "at least 1"),
        ({"days": 0}, "at least 1"),
        ({"seed": 9}, "holds a company of people=20 days=5 seed=1"),
        ({"until": DEFAULT_END - timedelta(days=1)}, "already goes to 2026-06-30"),
        ({"until": datetime.now(UTC).date() + timedelta(days=2)}, "in the future"),
    ],
)
def test_wrong_use_is_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    simulate(20, 5, 1, tmp_path / "sources")
    with pytest.raises(ValueError, match=message):
        simulate(**({"people": 20, "days": 5, "seed": 1, "out": tmp_path / "sources"} | arguments))


def test_foreign_files_and_a_truth_among_the_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/mine.csv").write_text("a\n")
    with pytest.raises(ValueError, match="not empty"):
        simulate(20, 5, 1, tmp_path / "sources")
    with pytest.raises(ValueError, match="must not lie among the sources"):
        simulate(20, 5, 1, tmp_path / "other", truth=tmp_path / "other/truth")


def test_progress_reaches_its_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    simulate(60, 10, 1, tmp_path / "sources", progress=lambda done, steps: seen.append((done, steps)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({steps for _, steps in seen}) == 1


@pytest.mark.parametrize("table", sorted(REQUIRED))
def test_records_have_the_promised_fields(company: Company, table: str) -> None:
    records = company.good(table)
    assert records
    wanted = {*REQUIRED[table], *FIELDS[table].split()}
    for record in records:
        assert wanted <= record.keys(), f"{table} lacks {wanted - record.keys()}"


def test_endings_are_those_of_the_contract(company: Company) -> None:
    patterns = (
        r"vtiger/(contacts|leads|accounts|potentials|events)/\d{4}-\d\d-\d\d\.jsonl",
        r"shopify/(customers|orders|checkouts)/\d{4}-\d\d-\d\d\.jsonl\.gz",
        r"shopify/products/products\.jsonl",
        r"segment/\d{4}-\d\d-\d\d\.jsonl\.gz",
        r"klaviyo/(profiles|events)/\d{4}-\d\d-\d\d\.jsonl",
        r"klaviyo/metrics/metrics\.jsonl",
        r"zendesk/(users|tickets|comments|satisfaction_ratings)/\d{4}-\d\d-\d\d\.jsonl",
        r"erp/invoices_\d{4}-\d\d\.csv",
        r"ads/\d{4}-\d\d\.csv",
        r"enrichment/(people|companies)/\d{4}-\d\d-\d\d\.parquet",
    )
    used = set()
    for name in company.files():
        matching = [pattern for pattern in patterns if re.fullmatch(pattern, name)]
        assert matching, f"unexpected file {name}"
        used.update(matching)
    assert used == set(patterns)


def test_summary_counts_what_is_there(company: Company) -> None:
    counted = {table: sum(1 for _ in company.everything(table)) for table in REQUIRED}
    assert company.summary.rows == counted
    assert company.summary.files == len(company.files())
    assert company.summary.bytes == sum(path.stat().st_size for path in company.out.rglob("*") if path.is_file())


def test_nested_parts_are_as_staging_reads_them(company: Company) -> None:
    for order in company.good("shopify/orders"):
        assert {"sku", "product_id", "quantity", "price", "total_discount", "title", "id"} <= order["line_items"][
            0
        ].keys()
        assert {"first_name", "last_name", "address1", "city", "zip", "country_code", "phone"} <= order[
            "shipping_address"
        ].keys()
        total = sum(float(item["price"]) * item["quantity"] for item in order["line_items"]) - float(
            order["total_discounts"]
        )
        assert float(order["total_price"]) == pytest.approx(total)
        refunded = sum(float(part["amount"]) for refund in order["refunds"] for part in refund["transactions"])
        assert refunded <= float(order["total_price"]) + 0.005
    for profile in company.good("klaviyo/profiles"):
        assert profile["attributes"]["subscriptions"]["email"]["marketing"]["consent"] in (
            "SUBSCRIBED",
            "UNSUBSCRIBED",
            "NEVER_SUBSCRIBED",
        )
    metrics = {metric["id"] for metric in company.good("klaviyo/metrics")}
    profiles = {profile["id"] for profile in company.good("klaviyo/profiles")}
    for event in company.good("klaviyo/events"):
        assert event["relationships"]["metric"]["data"]["id"] in metrics
        assert event["relationships"]["profile"]["data"]["id"] in profiles
    kinds = Counter(event["type"] for event in company.good("segment/events"))
    assert kinds.keys() == {"identify", "track", "page", "screen"}
    names = {event.get("event") for event in company.good("segment/events") if event["type"] == "track"}
    assert sorted(names) == [
        "Cart Viewed",
        "Checkout Started",
        "Logged In",
        "Newsletter Subscribed",
        "Order Completed",
        "Product Added",
        "Product Viewed",
        "Signed Up",
    ]


def test_truth_knows_every_record_and_no_other(company: Company) -> None:
    found: set[tuple[str, str]] = set()
    for table in ("contacts", "leads"):
        found |= {("vtiger", f"{table}:{record['id']}") for record in company.good(f"vtiger/{table}")}
    found |= {("shopify", f"customers:{record['id']}") for record in company.good("shopify/customers")}
    for table in ("orders", "checkouts"):
        found |= {
            ("shopify", f"{table}:{record['id']}")
            for record in company.good(f"shopify/{table}")
            if record["customer"] is None
        }
    for event in company.good("segment/events"):
        found.add(("segment", f"anonymous:{event['anonymousId']}"))
        if event.get("userId"):
            found.add(("segment", f"user:{event['userId']}"))
    found |= {("klaviyo", f"profiles:{record['id']}") for record in company.good("klaviyo/profiles")}
    found |= {("zendesk", f"users:{record['id']}") for record in company.good("zendesk/users")}
    found |= {
        ("erp", f"customers:{record['customer_id']}")
        for record in company.good("erp/invoices")
        if record["customer_id"]
    }
    found |= {
        ("enrichment", f"people:{hashlib.md5(record['email'].strip().lower().encode()).hexdigest()}")
        for record in company.good("enrichment/people")
    }
    owners = company.owners()
    assert found - owners.keys() == set(), "records nobody owns"
    assert owners.keys() - found == set(), "records that are in no file"
    assert company.summary.records == len(owners)
    people = {row["person_id"] for row in pq.read_table(company.truth / "people.parquet").to_pylist()}
    assert {row["person_id"] for row in owners.values() if not row["person_id"].startswith("a")} <= people
    assert len(people) == PEOPLE


def test_truth_is_not_among_the_sources(company: Company) -> None:
    assert not any("truth" in name or "p0000" in name for name in company.files())
    for table in REQUIRED:
        for _, line in list(company.lines(table))[:50] if not table.startswith("enrichment") else ():
            assert "person_id" not in line


def test_no_record_names_a_mailbox_that_could_exist(company: Company) -> None:
    domains: Counter[str] = Counter()
    for table in REQUIRED:
        lines: Iterator[str] = (
            (str(record) for _, record in company.everything(table))
            if table.startswith("enrichment")
            else (line for _, line in company.lines(table))
        )
        for line in lines:
            domains.update(
                address.lower().rpartition("@")[2]
                for address in EMAIL.findall(line)
                if address not in PLACEHOLDER_EMAILS
            )
    assert domains
    strange = [
        domain
        for domain in domains
        if not (domain.endswith(".example") or re.fullmatch(r"example\.(com|net|org)", domain))
    ]
    assert strange == []


def test_phone_numbers_are_possible_ones() -> None:
    people = [person for unit in units(3_000, 5) for person in unit.members]
    wrong = [
        person.index
        for person in people
        if not phonenumbers.is_valid_number(phonenumbers.parse(_e164(person)))
        or phonenumbers.region_code_for_number(phonenumbers.parse(_e164(person))) != person.locale.country_code
    ]
    landlines = [f"+{unit.locale.calling_code}{unit.landline}" for unit in units(3_000, 5) if unit.landline]
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in landlines)
    assert len(set(landlines)) == len(landlines)
    # numbers of the Channel Islands and of French territories lie among their neighbours' here and there
    assert len(wrong) < 0.02 * len(people)


def test_numbers_and_addresses_are_nobody_elses_unless_recycled() -> None:
    everyone = [person for unit in units(5_000, 5) for person in unit.members]
    emails = Counter(address for person in everyone for address in (person.email, person.second_email))
    assert max(emails.values()) == 1
    phones = Counter(_e164(person) for person in everyone)
    recycled = sum(1 for count in phones.values() if count > 1)
    assert 5 < recycled < 0.03 * len(everyone)
    loyalty = Counter(person.loyalty_number for person in everyone if person.loyalty_number)
    assert max(loyalty.values()) == 1
    assert all(re.fullmatch(r"1\d{5}", number) for number in loyalty)


def test_every_script_and_language_turns_up(company: Company) -> None:
    names = " ".join(f"{contact['firstname']} {contact['lastname']}" for contact in company.good("vtiger/contacts"))
    assert re.search("[А-я]", names)
    assert re.search("[ก-๙]", names)
    assert transliterate("Йордан Живков") == "Yordan Zhivkov"
    tickets = company.good("zendesk/tickets")
    written = {tag for ticket in tickets for tag in ticket["tags"]} & {locale.language for locale in LOCALES}
    assert {"bg", "th", "en"} <= written
    assert len(written) >= 5
    bodies = [comment["body"] for comment in company.good("zendesk/comments")]
    assert len(set(bodies)) > 0.4 * len(bodies)


def test_every_kind_of_broken_line_is_there(company: Company) -> None:
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for table in REQUIRED:
        for _, record in company.everything(table):
            if record is None:
                kinds[table.partition("/")[0]]["not readable"] += 1
            elif not is_good(table, record):
                key = REQUIRED[table][1 if table.startswith("ads") else 0]
                kinds[table.partition("/")[0]]["no key" if record.get(key) in (None, "") else "wrong type"] += 1
    assert kinds.keys() == {"vtiger", "shopify", "segment", "klaviyo", "zendesk", "erp", "ads", "enrichment"}
    for source, counts in kinds.items():
        assert counts.total() >= 2, source
    total = sum(kinds.values(), Counter())
    assert total.keys() == {"not readable", "no key", "wrong type"}
    assert total.total() < 0.01 * sum(company.summary.rows.values())


def test_records_come_late_twice_and_out_of_order(company: Company) -> None:
    late, doubled, disordered = 0, Counter[str](), 0
    before: dict[Path, str] = {}
    for path, event in company.everything("segment/events"):
        if event is None or not is_good("segment/events", event):
            continue
        happened = date.fromisoformat(event["timestamp"][:10])
        behind = (date.fromisoformat(path.name[:10]) - happened).days
        assert 0 <= behind <= 3 + (path.name[:10] == str(company.summary.start)) * 1000
        late += behind > 0
        doubled[event["messageId"]] += 1
        disordered += event["receivedAt"] < before.get(path, "")
        before[path] = event["receivedAt"]
    assert late and disordered
    assert sum(1 for count in doubled.values() if count > 1) > 5
    klaviyo = Counter(event["id"] for event in company.good("klaviyo/events"))
    assert max(klaviyo.values()) > 1
    invoices = Counter(line for _, line in company.lines("erp/invoices"))
    assert max(count for line, count in invoices.items() if not line.startswith("invoice_no")) > 1


def test_columns_appear_half_way(company: Company) -> None:
    days = {
        path.name[:10]
        for path, record in company.everything("shopify/customers")
        if record is not None and "loyalty_tier" in record
    }
    assert min(days) >= str(company.summary.start + timedelta(days=TIER_FROM_DAY))
    assert {path.name[:10] for path in company.paths("shopify/customers")} - days
    headers = {path.name: path.read_text().split("\n", 1)[0] for path in company.paths("ads/campaign_costs")}
    assert len(set(headers.values())) == 2


def test_campaigns_that_are_paid_for_are_those_that_bring_people(company: Company) -> None:
    brought = {
        (record.get("context") or {}).get("campaign", {}).get("name") for record in company.good("segment/events")
    }
    written = {
        record["attributes"]["event_properties"].get("campaign_name") for record in company.good("klaviyo/events")
    }
    costs = {
        (record["channel"], record["campaign"]) for record in company.good("ads/campaign_costs") if record["channel"]
    }
    assert {campaign for channel, campaign in costs if channel != "email"} <= brought
    mails = {campaign for channel, campaign in costs if channel == "email"}
    # the first and the last week may lie before and after that week's mail
    assert len(mails - written) <= 2 < len(mails & written)


def test_people_write_things_as_people_do(company: Company) -> None:
    contacts = {record["id"]: record for record in company.good("vtiger/contacts")}
    emails = [record["email"] for record in contacts.values()]
    emails += [record["email"] for record in company.good("shopify/orders") if record["customer"] is None]
    assert any("+" in email for email in emails), "plus-addresses"
    assert any(email != email.lower() for email in emails), "capitals"
    assert any(email != email.strip() for email in emails), "blanks"
    assert any(email.startswith("info@") for email in emails), "shared mailboxes"
    placeholders = set(emails) & set(PLACEHOLDER_EMAILS)
    phones = [record["mobile"] for record in contacts.values()] + [
        record["phone"] or "" for record in company.good("shopify/orders")
    ]
    assert placeholders or set(phones) & set(PLACEHOLDER_PHONES), "placeholders"
    for notation in (r"\+\d+", r"00\d+", r"0\d+", r"\(\+\d+\).*", r"\+\d+ .*", r".*-.*-.*"):
        assert any(re.fullmatch(notation, phone) for phone in phones), notation


def test_one_thing_is_many_things_to_the_truth(company: Company) -> None:
    """What makes identity hard: twins in the CRM, families on one tablet, one mailbox for two, changed addresses."""
    owners = company.owners()
    contacts = Counter(
        row["person_id"] for (source, name), row in owners.items() if source == "vtiger" and name.startswith("contacts")
    )
    assert max(contacts.values()) == 2
    assert sum(row["is_shared"] for (source, _), row in owners.items() if source == "segment") > 2
    mailboxes: defaultdict[str, set[str]] = defaultdict(set)
    for record in company.good("vtiger/contacts"):
        mailboxes[record["email"].strip().lower()].add(owners["vtiger", f"contacts:{record['id']}"]["person_id"])
    assert any(len(people) > 1 for mailbox, people in mailboxes.items() if mailbox.startswith(("info@", "family.")))
    assert max(Counter(row["person_id"] for (source, _), row in owners.items() if source == "segment").values()) > 3
    emails: defaultdict[int, set[str]] = defaultdict(set)
    for record in company.good("shopify/customers"):
        emails[record["id"]].add(record["email"])
    assert any(len(known) > 1 for known in emails.values())


def test_segments_will_find_somebody(company: Company) -> None:
    """Carts left in the last hours, and good customers who have not come back."""
    end = datetime.combine(company.summary.end + timedelta(days=1), datetime.min.time(), UTC)
    carts: dict[str, datetime] = {}
    bought = set()
    for event in company.good("segment/events"):
        cart = event.get("properties", {}).get("cart_id")
        if event.get("event") == "Order Completed":
            bought.add(cart)
        elif cart:
            at = datetime.fromisoformat(event["timestamp"])
            carts[cart] = max(at, carts.get(cart, at))
    waiting = [
        cart
        for cart, at in carts.items()
        if cart not in bought and end - timedelta(days=1) < at < end - timedelta(hours=4)
    ]
    assert waiting
    spent: Counter[int] = Counter()
    last: dict[int, datetime] = {}
    for order in {order["id"]: order for order in company.good("shopify/orders")}.values():
        if order["customer"] and not order["cancelled_at"]:
            customer = order["customer"]["id"]
            at = datetime.fromisoformat(order["created_at"])
            spent[customer] += round(float(order["total_price"]))
            last[customer] = max(at, last.get(customer, at))
    best = [customer for customer, _ in spent.most_common(len(spent) // 5)]
    assert any(end - last[customer] > timedelta(days=60) for customer in best)


def test_consents_agree_mostly_but_not_always(company: Company) -> None:
    shop = {
        str(record["id"]): record["email_marketing_consent"]["state"] for record in company.good("shopify/customers")
    }
    pairs = Counter(
        (
            shop[profile["attributes"]["external_id"]],
            profile["attributes"]["subscriptions"]["email"]["marketing"]["consent"],
        )
        for profile in {profile["id"]: profile for profile in company.good("klaviyo/profiles")}.values()
        if profile["attributes"]["external_id"] in shop
    )
    agree = sum(
        count
        for (one, other), count in pairs.items()
        if one == other.lower() or (one, other) == ("not_subscribed", "NEVER_SUBSCRIBED")
    )
    assert 0.85 * pairs.total() < agree
    assert agree < pairs.total()
    assert pairs["unsubscribed", "UNSUBSCRIBED"]


def test_units_are_the_same_however_many_there_are() -> None:
    few, many = list(units(30, 4)), list(units(300, 4))

    def told(unit: Unit) -> tuple[Any, ...]:
        return (
            unit.unit_id,
            unit.company,
            unit.landline,
            [(person.person_id, person.email, person.kind) for person in unit.members],
        )

    assert [told(unit) for unit in few[:-1]] == [told(unit) for unit in many[: len(few) - 1]]
    assert sum(len(unit.members) for unit in few) == 30


@pytest.mark.slow
def test_memory_does_not_grow_with_the_company(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from demo.company import simulate; "
        "simulate(20_000, 180, 1, Path(sys.argv[1])); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "sources")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=1200,
    )
    assert int(done.stdout) < 1024, "megabytes of 20,000 people over 180 days"
