"""The CRM: contacts, leads, accounts, deals (potentials) and calls (events)."""

from dataclasses import dataclass

from demo.clock import DAY, date_text, spaced, time_text
from demo.people import Company, Person
from demo.world import World


@dataclass(slots=True)
class Contact:
    contact_id: str
    person: Person
    first_name: str
    last_name: str
    email: str
    phone: str
    mobile: str
    created: int
    lead_source: str
    secondary_email: str = ""
    account_id: str = ""
    loyalty_number: str = ""
    consent: str = ""
    consent_at: int = 0
    email_opt_out: bool = False
    do_not_call: bool = False
    has_birthday: bool = False
    has_address: bool = True


def write_contact(world: World, moment: int, contact: Contact) -> None:
    person = contact.person
    number = contact.contact_id.partition("x")[2]
    with_address = contact.has_address
    world.emit(
        "vtiger/contacts",
        moment,
        {
            "id": contact.contact_id,
            "contact_no": f"CON{number}",
            "firstname": contact.first_name,
            "lastname": contact.last_name,
            "email": contact.email,
            "secondaryemail": contact.secondary_email,
            "phone": contact.phone,
            "mobile": contact.mobile,
            "account_id": contact.account_id,
            "birthday": person.born if contact.has_birthday else "",
            "mailingstreet": person.address.street if with_address else "",
            "mailingcity": person.address.place.city if with_address else "",
            "mailingzip": person.address.postal_code if with_address else "",
            "mailingcountry": person.locale.country,
            "leadsource": contact.lead_source,
            "emailoptout": "1" if contact.email_opt_out else "0",
            "donotcall": "1" if contact.do_not_call else "0",
            "cf_loyalty_number": contact.loyalty_number,
            "cf_marketing_consent": contact.consent,
            "cf_consent_date": date_text(contact.consent_at // DAY) if contact.consent_at else "",
            "assigned_user_id": "19x1",
            "createdtime": spaced(contact.created),
            "modifiedtime": spaced(moment),
        },
    )
    world.see("vtiger", f"contacts:{contact.contact_id}", person, moment)


@dataclass(slots=True)
class Lead:
    lead_id: str
    person: Person
    first_name: str
    last_name: str
    email: str
    phone: str
    mobile: str
    company: str
    lead_source: str
    created: int
    status: str = "New"
    converted: bool = False
    email_opt_out: bool = False


def write_lead(world: World, moment: int, lead: Lead) -> None:
    person = lead.person
    world.emit(
        "vtiger/leads",
        moment,
        {
            "id": lead.lead_id,
            "lead_no": f"LEA{lead.lead_id.partition('x')[2]}",
            "firstname": lead.first_name,
            "lastname": lead.last_name,
            "email": lead.email,
            "phone": lead.phone,
            "mobile": lead.mobile,
            "company": lead.company,
            "leadsource": lead.lead_source,
            "leadstatus": lead.status,
            "city": person.address.place.city,
            "country": person.locale.country,
            "emailoptout": "1" if lead.email_opt_out else "0",
            "converted": "1" if lead.converted else "0",
            "createdtime": spaced(lead.created),
            "modifiedtime": spaced(moment),
        },
    )
    world.see("vtiger", f"leads:{lead.lead_id}", person, moment)


def account_id(company: Company) -> str:
    return f"11x{company.number + 100}"


def write_account(world: World, moment: int, created: int, company: Company, person: Person) -> None:
    """The company, with the city of `person`, whom the seller met."""
    world.emit(
        "vtiger/accounts",
        moment,
        {
            "id": account_id(company),
            "account_no": f"ACC{company.number + 100}",
            "accountname": company.name,
            "website": f"https://www.{company.domain}",
            "email1": f"info@{company.domain}",
            "phone": f"+{person.locale.calling_code}{company.phone}",
            "industry": company.industry,
            "bill_city": person.address.place.city,
            "bill_country": person.locale.country,
            "createdtime": spaced(created),
            "modifiedtime": spaced(moment),
        },
    )


STAGES = (("Prospecting", 10), ("Qualification", 25), ("Proposal or Price Quote", 60), ("Negotiation or Review", 80))


@dataclass(slots=True)
class Deal:
    deal_id: str
    name: str
    amount: int
    closing_day: int
    account_id: str
    contact: Contact
    created: int
    stage: str = "Prospecting"
    probability: int = 10


def write_deal(world: World, moment: int, deal: Deal) -> None:
    world.emit(
        "vtiger/potentials",
        moment,
        {
            "id": deal.deal_id,
            "potential_no": f"POT{deal.deal_id.partition('x')[2]}",
            "potentialname": deal.name,
            "amount": f"{deal.amount}.00",
            "closingdate": date_text(deal.closing_day),
            "sales_stage": deal.stage,
            "probability": str(deal.probability),
            "related_to": deal.account_id,
            "contact_id": deal.contact.contact_id,
            "leadsource": deal.contact.lead_source,
            "createdtime": spaced(deal.created),
            "modifiedtime": spaced(moment),
        },
    )


def write_activity(
    world: World, moment: int, activity_id: str, kind: str, subject: str, contact: Contact, created: int, status: str
) -> None:
    """A call or a meeting that takes place at `moment`."""
    world.emit(
        "vtiger/events",
        moment,
        {
            "id": activity_id,
            "subject": subject,
            "activitytype": kind,
            "date_start": date_text(moment // DAY),
            "time_start": time_text(moment),
            "eventstatus": status,
            "contact_id": contact.contact_id,
            "createdtime": spaced(created),
            "modifiedtime": spaced(moment),
        },
    )
