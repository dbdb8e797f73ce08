"""Contacts, leads, deals and calls: what sellers and shop assistants type into the CRM."""

from demo.behaviour.life import Known, Life
from demo.clock import DAY, HOUR
from demo.dirt import PLACEHOLDER_EMAILS, PLACEHOLDER_NAMES, PLACEHOLDER_PHONES, names_as_written, phone_as_typed, typo
from demo.people import Company
from demo.sources import enrichment, vtiger
from demo.sources.vtiger import Contact, Deal, Lead

_SOURCES = ("Web Site", "Trade Show", "Word of mouth", "Store", "Cold Call", "Partner")
_LEAD_STATES = ("Contacted", "Cold", "Hot", "Junk Lead", "Lost Lead", "Pre Qualified")


def meet(moment: int, life: Life, known: Known) -> None:
    """How someone gets into the CRM, if at all: as the buyer of a company, at the counter with a card, or as a lead."""
    person, kind = known.person, known.person.kind
    if kind == "business":
        if life.unit.company:
            _first_of_company(moment, life, known, life.unit.company)
        _enter_contact(moment, life, known, "Trade Show")
        life.agenda.at(life.later(max(moment, life.world.opening), 25), _open_deal, life, known)
        return
    if person.loyalty_number and life.sometimes(0.55):
        _enter_contact(moment, life, known, "Store")
    elif kind in ("subscriber", "guest", "shopper") and life.sometimes(0.14):
        _enter_lead(moment + life.chance.randrange(5 * DAY), life, known)


def _first_of_company(moment: int, life: Life, known: Known, company: Company) -> None:
    if all(other.contact is None for other in life.members):
        vtiger.write_account(life.world, moment, moment, company, known.person)
        if life.sometimes(0.7):
            enrichment.write_company(life.world, moment, company, known.person.locale.country_code)
    if life.sometimes(0.4) and known.person.email not in life.enriched:
        life.enriched.add(known.person.email)
        enrichment.write_person(life.world, moment, known.person, known.person.email, life.chance, company)


def _contact(moment: int, life: Life, known: Known, number: int, source: str) -> Contact:
    chance, person, unit = life.chance, known.person, life.unit
    first, last = names_as_written(person, chance, formal=0.7)
    email = life.typed_email(known)
    if chance.random() < 0.06:
        email = typo(email.partition("@")[0], chance) + "@" + email.partition("@")[2] if chance.random() < 0.5 else ""
    elif chance.random() < 0.03:
        email = chance.choice(PLACEHOLDER_EMAILS)
    elif unit.shared_mailbox and chance.random() < 0.2:
        email = unit.shared_mailbox
    landline = phone_as_typed(person.locale, unit.landline, chance) if unit.landline and chance.random() < 0.6 else ""
    mobile = life.phone(known) if chance.random() < 0.75 else ""
    if chance.random() < 0.02:
        mobile = chance.choice(PLACEHOLDER_PHONES)
    contact = Contact(
        f"12x{1000 + person.index * 3 + number}",
        person,
        first,
        last,
        email,
        landline,
        mobile,
        moment,
        source,
        secondary_email=person.second_email if chance.random() < 0.05 else "",
        account_id=vtiger.account_id(unit.company) if unit.company else "",
        loyalty_number=person.loyalty_number if number == 0 and chance.random() < 0.85 else "",
        has_birthday=chance.random() < 0.45,
        has_address=chance.random() < 0.7,
    )
    roll = chance.random()
    if roll < 0.75:
        # what the customer says at the counter is mostly what they said online
        says_yes = known.wants_mail if roll < 0.7 else not known.wants_mail
        contact.consent, contact.consent_at = "yes" if says_yes else "no", moment
        contact.email_opt_out = not says_yes and chance.random() < 0.9
    contact.do_not_call = chance.random() < 0.07
    return contact


def _enter_contact(moment: int, life: Life, known: Known, source: str) -> None:
    contact = _contact(moment, life, known, 0, source)
    known.contact = contact
    vtiger.write_contact(life.world, moment, contact)
    if life.sometimes(0.05):
        # another assistant did not look whether the customer is there already
        again = life.later(max(moment, life.world.opening - 30 * DAY), 30)
        life.agenda.at(again, _enter_twin, life, known)
    if life.sometimes(0.1):
        life.agenda.at(life.later(max(moment, life.world.opening), 40), _correct, life, known, contact)


def _enter_twin(moment: int, life: Life, known: Known) -> None:
    vtiger.write_contact(life.world, moment, _contact(moment, life, known, 1, life.one_of(_SOURCES)))


def _correct(moment: int, life: Life, known: Known, contact: Contact) -> None:
    contact.mobile = life.phone(known)
    contact.has_address = True
    if life.sometimes(0.2) and contact.consent == "yes":
        contact.consent, contact.consent_at, contact.email_opt_out = "no", moment, True
    vtiger.write_contact(life.world, moment, contact)


def _enter_lead(moment: int, life: Life, known: Known) -> None:
    life.agenda.at(moment, _lead, life, known)


def _lead(moment: int, life: Life, known: Known) -> None:
    chance, person = life.chance, known.person
    first, last = names_as_written(person, chance, formal=0.6)
    if chance.random() < 0.05:
        first = chance.choice(PLACEHOLDER_NAMES)
    email = life.typed_email(known) if chance.random() < 0.85 else ""
    lead = Lead(
        f"10x{500 + person.index * 2}",
        person,
        first,
        last,
        email,
        life.phone(known) if chance.random() < 0.3 or not email else "",
        life.phone(known) if chance.random() < 0.3 else "",
        "",
        life.one_of(_SOURCES),
        moment,
        email_opt_out=chance.random() < 0.1,
    )
    vtiger.write_lead(life.world, moment, lead)
    life.agenda.at(life.later(max(moment, life.world.opening), 12), _work_lead, life, known, lead)


def _work_lead(moment: int, life: Life, known: Known, lead: Lead) -> None:
    if life.sometimes(0.3) and known.contact is None:
        lead.status, lead.converted = "Hot", True
        _enter_contact(moment, life, known, lead.lead_source)
    else:
        lead.status = life.one_of(_LEAD_STATES)
    vtiger.write_lead(life.world, moment, lead)


def _call(moment: int, life: Life, known: Known, contact: Contact, subject: str) -> None:
    known.calls += 1
    kind = "Call" if life.sometimes(0.8) else "Meeting"
    status = "Held" if life.sometimes(0.85) else "Not Held"
    activity = f"18x{7000 + known.person.index * 60 + known.calls}"
    vtiger.write_activity(life.world, moment, activity, kind, subject, contact, moment - HOUR, status)


def _open_deal(moment: int, life: Life, known: Known) -> None:
    contact, company = known.contact, life.unit.company
    if contact is None or company is None:
        return
    chance = life.chance
    deal = Deal(
        f"13x{900 + known.person.index}",
        f"{company.name}: {life.one_of(('corporate gifts', 'shop fit-out', 'event order', 'yearly contract'))}",
        int(chance.lognormvariate(7, 0.9)),
        moment // DAY + chance.randint(20, 90),
        contact.account_id,
        contact,
        moment,
    )
    vtiger.write_deal(life.world, moment, deal)
    life.agenda.at(moment + chance.randrange(2 * HOUR, 4 * DAY), _call, life, known, contact, "First call")
    life.agenda.at(life.later(moment, 8), _move_deal, life, known, deal, 1)


def _move_deal(moment: int, life: Life, known: Known, deal: Deal, stage: int) -> None:
    if stage >= len(vtiger.STAGES) or life.sometimes(0.15):
        won = stage >= len(vtiger.STAGES) and life.sometimes(0.6)
        deal.stage, deal.probability = ("Closed Won", 100) if won else ("Closed Lost", 0)
        deal.closing_day = moment // DAY
        vtiger.write_deal(life.world, moment, deal)
        return
    deal.stage, deal.probability = vtiger.STAGES[stage]
    vtiger.write_deal(life.world, moment, deal)
    life.agenda.at(
        moment + life.chance.randrange(HOUR, 3 * DAY), _call, life, known, deal.contact, f"Follow up: {deal.stage}"
    )
    life.agenda.at(life.later(moment, 9), _move_deal, life, known, deal, stage + 1)
