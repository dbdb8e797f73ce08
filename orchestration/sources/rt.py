"""Request Tracker, a support desk: records of its REST 2.0, whole, each time one changed.

Off until its line in the list of sources is one (dbt_project.yml). Shapes after RT 5.0.3; an empty value is '', a time
that is not set is 1970-01-01T00:00:00Z.
"""

from dlt.sources.helpers.rest_client.auth import APIKeyAuth

from orchestration.extract import Records, Source, Stream
from orchestration.extract.live import Api
from orchestration.extract.live.rt import Messages, Tickets, Users

source = Source(
    "rt",
    Api(
        # RT_URL is where its login page is; the token is of a user who may see all tickets, comments and users
        required=("URL", "TOKEN"),
        path="/REST/2.0/",
        auth=lambda settings: APIKeyAuth(name="Authorization", api_key=f"token {settings['TOKEN']}"),
        parallel=3,
    ),
)

USER = """
    Name EmailAddress RealName NickName Organization Lang HomePhone WorkPhone MobilePhone Address1 City Zip Country
    Created LastUpdated
"""
TICKET = """
    Subject Status Priority Queue Owner Requestor Creator EffectiveId IsMerged Created Started Resolved Told LastUpdated
"""


@source.table(
    required={"id": "text", "LastUpdated": "timestamp"},
    optional=USER.replace("LastUpdated", "Privileged Disabled"),
    live=Users(fields=tuple(USER.split())),
)
def users(records: Records) -> Stream:
    """One row per user and change: who asks, and who answers."""
    return records.files()


@source.table(
    required={"id": "text", "LastUpdated": "timestamp"},
    optional=TICKET.replace("LastUpdated", ""),
    live=Tickets(fields=tuple(TICKET.split())),
)
def tickets(records: Records) -> Stream:
    """One row per ticket and change."""
    return records.files()


@source.table(
    required={"id": "text", "ObjectId": "text", "Created": "timestamp"},
    optional="Type Creator Field OldValue NewValue ContentType Content",
    live=Messages(types=("Create", "Correspond", "Comment", "Status")),
)
def transactions(records: Records) -> Stream:
    """One row per message on a ticket or change of its status."""
    return records.files()
