"""Vtiger, the CRM: its webservice's records, whole, each time one changed."""

from orchestration.extract import Records, Source, Stream

source = Source("vtiger")


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="""
        contact_no firstname lastname email secondaryemail phone mobile account_id birthday mailingstreet
        mailingcity mailingzip mailingcountry leadsource emailoptout donotcall cf_loyalty_number
        cf_marketing_consent cf_consent_date assigned_user_id createdtime
    """,
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
)
def leads(records: Records) -> Stream:
    """One row per lead and change."""
    return records.files()


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="account_no accountname website email1 phone industry bill_city bill_country createdtime",
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
)
def potentials(records: Records) -> Stream:
    """One row per deal and change."""
    return records.files()


@source.table(
    required={"id": "text", "modifiedtime": "timestamp"},
    optional="subject activitytype date_start time_start eventstatus contact_id createdtime",
)
def events(records: Records) -> Stream:
    """One row per call or meeting and change."""
    return records.files()
