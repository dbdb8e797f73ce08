"""Salesforce, a third CRM: records of its objects, whole, each time one changed.

Off until its line in the list of sources is one (dbt_project.yml). Shapes after Salesforce's Object Reference (API
v62.0): a record that was merged into another one names it in MasterRecordId, a lead that became a contact that contact
in ConvertedContactId. Fields that an organisation does not have (CurrencyIsoCode, IsPersonAccount, MailingCountryCode)
are left out of what is asked for.
"""

from collections.abc import Mapping

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api
from orchestration.extract.live.oauth import RefreshToken
from orchestration.extract.live.salesforce import Objects
from orchestration.extract.tables import Type

source = Source(
    "salesforce",
    Api(
        # SALESFORCE_URL is the organisation's own address, https://<domain>.my.salesforce.com
        required=("URL", "CLIENT_ID", "CLIENT_SECRET"),
        optional=("REFRESH_TOKEN",),
        path="/services/data/v62.0/",
        auth=lambda settings: RefreshToken(
            access_token_url=f"{settings['URL'].rstrip('/')}/services/oauth2/token",
            client_id=settings["CLIENT_ID"],
            client_secret=settings["CLIENT_SECRET"],
            refresh_token=settings.get("REFRESH_TOKEN", ""),
        ),
        # 25 calls that take longer than 20 seconds at a time; ours take less
        parallel=4,
        quota="Sforce-Limit-Info",
        throttles=frozenset({"REQUEST_LIMIT_EXCEEDED"}),
    ),
)

REQUIRED: Mapping[str, Type] = {"Id": "text", "SystemModstamp": "timestamp"}
CONTACT = """
    CreatedDate MasterRecordId AccountId IndividualId FirstName LastName Email Phone MobilePhone HomePhone Birthdate
    MailingStreet MailingCity MailingPostalCode MailingCountry MailingCountryCode Title LeadSource HasOptedOutOfEmail
    DoNotCall
"""
LEAD = """
    CreatedDate MasterRecordId IndividualId FirstName LastName Email Phone MobilePhone Street City PostalCode Country
    CountryCode Company Title LeadSource Status IsConverted ConvertedContactId HasOptedOutOfEmail DoNotCall
"""
ACCOUNT = """
    CreatedDate MasterRecordId Name Website Industry NumberOfEmployees BillingCountry BillingCountryCode IsPersonAccount
"""
OPPORTUNITY = """
    CreatedDate Name AccountId ContactId StageName IsClosed IsWon Amount CurrencyIsoCode Probability CloseDate
"""
ROLE = "CreatedDate OpportunityId ContactId IsPrimary"
TASK = "CreatedDate WhoId TaskSubtype Type Status IsClosed IsRecurrence CompletedDateTime ActivityDate"
EVENT = "CreatedDate WhoId Type StartDateTime EndDateTime IsChild IsRecurrence"
INDIVIDUAL = "CreatedDate HasOptedOutSolicit HasOptedOutTracking"


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {CONTACT}",
    live=Objects(object="Contact", fields=tuple(CONTACT.split())),
)
def contacts(records: Records) -> Stream:
    """One row per contact and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {LEAD}",
    live=Objects(object="Lead", fields=tuple(LEAD.split()), is_optional=True),
)
def leads(records: Records) -> Stream:
    """One row per lead and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {ACCOUNT}",
    live=Objects(object="Account", fields=tuple(ACCOUNT.split())),
)
def accounts(records: Records) -> Stream:
    """One row per account and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {OPPORTUNITY}",
    live=Objects(object="Opportunity", fields=tuple(OPPORTUNITY.split()), is_optional=True),
)
def opportunities(records: Records) -> Stream:
    """One row per opportunity and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {ROLE}",
    live=Objects(object="OpportunityContactRole", fields=tuple(ROLE.split()), is_optional=True),
)
def opportunity_contact_roles(records: Records) -> Stream:
    """One row per contact of an opportunity and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {TASK}",
    live=Objects(object="Task", fields=tuple(TASK.split()), is_optional=True),
)
def tasks(records: Records) -> Stream:
    """One row per task (a call, a mail, something to do) and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {EVENT}",
    live=Objects(object="Event", fields=tuple(EVENT.split()), is_optional=True),
)
def events(records: Records) -> Stream:
    """One row per event of the calendar and change."""
    return records.files()


@source.table(
    required=REQUIRED,
    optional=f"IsDeleted {INDIVIDUAL}",
    live=Objects(object="Individual", fields=tuple(INDIVIDUAL.split()), is_optional=True),
)
def individuals(records: Records) -> Stream:
    """One row per individual (what a person wants done with their data) and change."""
    return records.files()
