"""HubSpot, a second CRM: the objects of its CRM API, whole, each time one changed.

Shapes after HubSpot's API reference (CRM objects, pipelines, communication preferences; v3, v4 and 2026-03 alike):
`properties` are all text, `associations` name the records beside a record by the plural of their type, a record that
was deleted is told once more with `archived` true, one that was merged stands in `hs_merged_object_ids` of its winner.
"""

from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api, Listing, Rate
from orchestration.extract.live.hubspot import Objects, Subscriptions

source = Source(
    "hubspot",
    Api(
        # HUBSPOT_ACCESS_TOKEN is a private app's, that may read contacts, companies, deals and subscriptions
        required=("ACCESS_TOKEN",),
        url="https://api.hubapi.com",
        path="/",
        auth=lambda settings: BearerTokenAuth(settings["ACCESS_TOKEN"]),
        # a free account's; searches have a limit of their own, 5 a second of all apps together
        rates={"": (Rate(100, 10.0),), "crm/objects/": (Rate(5, 1.0),)},
        parallel=2,
        quota="X-HubSpot-RateLimit-Daily-Remaining",
    ),
)

CONTACT = """
    firstname lastname email hs_additional_emails phone mobilephone date_of_birth address city zip country
    hs_country_region_code hs_language company associatedcompanyid jobtitle hs_analytics_source lifecyclestage
    hs_lifecyclestage_lead_date hs_lead_status hs_email_optout hs_merged_object_ids hs_calculated_merged_vids
"""
COMPANY = "name domain industry numberofemployees country hs_country_code hs_merged_object_ids"
DEAL = """
    dealname dealstage pipeline amount deal_currency_code hs_deal_stage_probability closedate hs_merged_object_ids
"""


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties createdAt archived archivedAt",
    live=Objects(object="contacts", properties=tuple(CONTACT.split()), modified="lastmodifieddate"),
)
def contacts(records: Records) -> Stream:
    """One row per contact and change."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties createdAt archived archivedAt",
    live=Objects(object="companies", properties=tuple(COMPANY.split())),
)
def companies(records: Records) -> Stream:
    """One row per company and change."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties associations createdAt archived archivedAt",
    live=Objects(object="deals", properties=tuple(DEAL.split()), associations=("contacts", "companies")),
)
def deals(records: Records) -> Stream:
    """One row per deal and change, with its contacts and companies."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="label stages createdAt updatedAt archived",
    live=Listing("crm/pipelines/2026-03/deals", "results", SinglePagePaginator, changed=None),
)
def deal_pipelines(records: Records) -> Stream:
    """One row per pipeline of deals and change, with its stages."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties associations createdAt archived archivedAt",
    live=Objects(object="calls", properties=("hs_timestamp", "hs_call_status"), associations=("contacts",)),
)
def calls(records: Records) -> Stream:
    """One row per call and change, with its contacts."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties associations createdAt archived archivedAt",
    live=Objects(
        object="meetings",
        properties=("hs_timestamp", "hs_meeting_start_time", "hs_meeting_outcome"),
        associations=("contacts",),
    ),
)
def meetings(records: Records) -> Stream:
    """One row per meeting and change, with its contacts."""
    return records.files()


@source.table(
    required={"subscriberIdString": "text"},
    optional="statuses",
    live=Subscriptions(object="contacts", properties=("email",), modified="lastmodifieddate"),
)
def subscription_statuses(records: Records) -> Stream:
    """One row per e-mail address and change, with what it is subscribed to."""
    return records.files()
