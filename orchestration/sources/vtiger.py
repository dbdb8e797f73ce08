"""Vtiger, the CRM: its records, whole, each time one changed; by the open-source webservice or the cloud's REST API."""

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api, Rate
from orchestration.extract.live.vtiger import Module, One, Session

# VTIGER_URL is where its login page is; one session for all tables, as PHP answers one call of a session at a time
source = Source("vtiger", Api(required=("URL", "USER", "ACCESS_KEY"), path="/", auth=Session))

# VTIGER_ONE_URL is https://<instance>.odx.vtiger.com
ONE = Api(
    name="vtiger_one",
    required=("URL", "USER", "ACCESS_KEY"),
    path="/restapi/v1/vtiger/default/",
    auth=One,
    # the smallest edition's (help.vtiger.com, article 152099716, April 2025); beyond an hour's or a day's it says 429
    rates={"": (Rate(30, 60.0),)},
    quota="X-RateLimit-Remaining",
    reset="X-FloodControl-Reset",
)


def module(name: str) -> tuple[Module, Module]:
    """A module of either edition."""
    return Module(module=name), Module(module=name, api=ONE)


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="""
        contact_no firstname lastname email secondaryemail phone mobile account_id birthday mailingstreet
        mailingcity mailingzip mailingcountry leadsource emailoptout donotcall cf_loyalty_number
        cf_marketing_consent cf_consent_date assigned_user_id createdtime
    """,
    live=module("Contacts"),
)
def contacts(records: Records) -> Stream:
    """One row per contact and change."""
    return records.files()


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="""
        lead_no firstname lastname email phone mobile company leadsource leadstatus city country emailoptout
        converted createdtime
    """,
    live=module("Leads"),
)
def leads(records: Records) -> Stream:
    """One row per lead and change."""
    return records.files()


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="account_no accountname website email1 phone industry bill_city bill_country createdtime",
    live=module("Accounts"),
)
def accounts(records: Records) -> Stream:
    """One row per organisation and change."""
    return records.files()


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="""
        potential_no potentialname amount closingdate sales_stage probability related_to contact_id
        leadsource createdtime
    """,
    live=module("Potentials"),
)
def potentials(records: Records) -> Stream:
    """One row per deal and change."""
    return records.files()


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="subject activitytype date_start time_start eventstatus contact_id createdtime",
    live=module("Events"),
)
def events(records: Records) -> Stream:
    """One row per call or meeting and change."""
    return records.files()
