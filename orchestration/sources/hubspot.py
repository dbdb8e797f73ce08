"""HubSpot, a second CRM: the objects of its CRM API, whole, each time one changed.

Shapes after HubSpot's API reference (CRM objects, pipelines, communication preferences; v3, v4 and 2026-03 alike):
`properties` are all text, `associations` name the records beside a record by the plural of their type, a record that
was deleted is told once more with `archived` true, one that was merged stands in `hs_merged_object_ids` of its winner.
"""

from orchestration.extract import Records, Source, Stream

source = Source("hubspot")


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties createdAt archived archivedAt",
)
def contacts(records: Records) -> Stream:
    """One row per contact and change."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties createdAt archived archivedAt",
)
def companies(records: Records) -> Stream:
    """One row per company and change."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties associations createdAt archived archivedAt",
)
def deals(records: Records) -> Stream:
    """One row per deal and change, with its contacts and companies."""
    return records.files()


@source.table(
    required={"id": "text"},
    optional="label stages createdAt updatedAt archived",
)
def deal_pipelines(records: Records) -> Stream:
    """One row per pipeline of deals and change, with its stages."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties associations createdAt archived archivedAt",
)
def calls(records: Records) -> Stream:
    """One row per call and change, with its contacts."""
    return records.files()


@source.table(
    required={"id": "text", "updatedAt": "timestamp"},
    optional="properties associations createdAt archived archivedAt",
)
def meetings(records: Records) -> Stream:
    """One row per meeting and change, with its contacts."""
    return records.files()


@source.table(
    required={"subscriberIdString": "text"},
    optional="statuses",
)
def subscription_statuses(records: Records) -> Stream:
    """One row per e-mail address and change, with what it is subscribed to."""
    return records.files()
