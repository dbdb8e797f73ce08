"""Salesforce's REST queries on loopback.

Facts from https://developer.salesforce.com/docs (api_rest: resources_queryall, resources_sobject_describe,
headers_api_usage; field_reference): `queryAll` with deleted records, at most as many a page as LIMIT says and sometimes
fewer, times as `2026-01-01T10:00:00.000+0000`, errors as a list, 401 INVALID_SESSION_ID for a token that has ended,
400 INVALID_FIELD and INVALID_TYPE for what is not there.
"""

import re

from servers.base import Answer, Request
from servers.source import SourceServer

SYSTEM = "Id IsDeleted CreatedDate CreatedById LastModifiedDate LastModifiedById SystemModstamp"
FIELDS = {
    "Contact": """MasterRecordId AccountId LastName FirstName Salutation Name MailingStreet MailingCity MailingState
        MailingPostalCode MailingCountry Phone Fax MobilePhone HomePhone Email Title Birthdate LeadSource Description
        OwnerId HasOptedOutOfEmail DoNotCall EmailBouncedDate IndividualId""",
    "Lead": """MasterRecordId LastName FirstName Title Company Street City State PostalCode Country Phone MobilePhone
        Email Website LeadSource Status Industry OwnerId IsConverted ConvertedDate ConvertedAccountId ConvertedContactId
        ConvertedOpportunityId HasOptedOutOfEmail DoNotCall IndividualId""",
    "Account": """MasterRecordId Name Type ParentId BillingStreet BillingCity BillingPostalCode BillingCountry Phone
        Website Industry AnnualRevenue NumberOfEmployees Description OwnerId""",
    "Opportunity": """AccountId ContactId Name Description StageName Amount Probability CloseDate Type LeadSource
        IsClosed IsWon ForecastCategory OwnerId""",
    "OpportunityContactRole": "OpportunityId ContactId Role IsPrimary",
    "Task": """WhoId WhatId Subject ActivityDate Status Priority Type TaskSubtype CallType IsClosed IsArchived
        CompletedDateTime IsRecurrence Description OwnerId""",
    "Event": """WhoId WhatId Subject Location IsAllDayEvent ActivityDateTime StartDateTime EndDateTime Type IsChild
        IsRecurrence IsArchived OwnerId""",
}


class SalesforceSource(SourceServer):
    """An organisation. `objects`: the fields that its user may see; `size`: records of a page."""

    changed = "SystemModstamp"

    def __init__(self) -> None:
        super().__init__()
        self.size = 2000
        self.token = "00D!1"
        self.objects = {object: {*SYSTEM.split(), *fields.split()} for object, fields in FIELDS.items()}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SALESFORCE_URL": self.url,
            "SALESFORCE_CLIENT_ID": "3MVG9",
            "SALESFORCE_CLIENT_SECRET": "A1B2",
        }

    @property
    def now(self) -> str:
        return super().now.replace("Z", ".000+0000")

    def add(self, object: str, id: str, **values: object) -> None:
        """Make a record, or change one."""
        made = {"Id": id, "IsDeleted": False, "CreatedDate": "2026-01-01T09:00:00.000+0000"}
        held = self.tables.get(object, {}).get(id, {})
        self.put(object, id, **{**made, **held, self.changed: self.now, **values})
        self.tables[object][id].pop("id", None)

    def bin(self, object: str, id: str, **values: object) -> None:
        """Delete a record: it lies in the recycle bin."""
        self.add(object, id, IsDeleted=True, **values)

    def merge(self, object: str, winner: str, loser: str) -> None:
        """Merge a record into another one; of what lies in the bin the fields may be empty."""
        self.bin(object, loser, MasterRecordId=winner, LastName=None, Email=None)
        self.add(object, winner)

    def end_sessions(self) -> None:
        self.token = f"00D!{int(self.token[4:]) + 1}"

    def handle(self, request: Request) -> Answer:
        if request.path == "/services/oauth2/token":
            right = request.form() == {
                "client_id": "3MVG9", "client_secret": "A1B2", "grant_type": "client_credentials",
            }  # fmt: skip
            return Answer(200, {"access_token": self.token}) if right else Answer(400, {"error": "invalid_client"})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "INVALID_SESSION_ID")
        path = request.path.removeprefix("/services/data/v62.0/")
        answer = self._query(request.query["q"]) if path == "queryAll" else self._describe(path)
        answer.headers["Sforce-Limit-Info"] = f"api-usage={self.calls}/15000"
        return answer

    def _describe(self, path: str) -> Answer:
        match = re.fullmatch(r"sobjects/(\w+)/describe", path)
        if match is None or match[1] not in self.objects:
            return _error(404, "NOT_FOUND")
        return Answer(200, {"name": match[1], "fields": [{"name": name} for name in sorted(self.objects[match[1]])]})

    def _query(self, query: str) -> Answer:
        match = re.fullmatch(r"SELECT (.+) FROM (\w+)(?: WHERE (.+))? ORDER BY Id LIMIT (\d+)", query)
        if match is None or int(match[4]) > 2000:
            return _error(400, "MALFORMED_QUERY")
        if match[2] not in self.objects:
            return _error(400, "INVALID_TYPE")
        fields = match[1].split(", ")
        if not set(fields) <= self.objects[match[2]]:
            return _error(400, "INVALID_FIELD")
        rows = sorted(self.rows(match[2]), key=lambda row: str(row["Id"]))
        for rule in match[3].split(" AND ") if match[3] else []:
            rows = [row for row in rows if self._holds(rule, row)]
        asked = rows[: int(match[4])]
        page = asked[: self.size]
        is_done = len(page) == len(asked)
        records = [{"attributes": {"type": match[2]}, **{field: row.get(field) for field in fields}} for row in page]
        if self.mischief.draws("change"):
            self.change()
        answer = {"totalSize": len(asked), "done": is_done, "records": records}
        return Answer(200, answer if is_done else {**answer, "nextRecordsUrl": "/services/data/v62.0/query/01g-2000"})

    def _holds(self, rule: str, row: dict[str, object]) -> bool:
        if match := re.fullmatch(r"Id > '(\w+)'", rule):
            return str(row["Id"]) > match[1]
        if match := re.fullmatch(r"Id IN \(((?:'\w+'(?:, )?)+)\)", rule):
            return f"'{row['Id']}'" in match[1].split(", ")
        match = re.fullmatch(r"SystemModstamp (>=|<) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", rule)
        assert match, rule
        time, limit = str(row[self.changed])[:19], match[2][:19]
        return time >= limit if match[1] == ">=" else time < limit


def _error(status: int, code: str) -> Answer:
    return Answer(status, [{"message": "no", "errorCode": code}])
