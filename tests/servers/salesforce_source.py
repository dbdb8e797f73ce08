"""Salesforce's REST queries on loopback.

Facts from https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ (resources_queryall, oauth):
`queryAll` with `nextRecordsUrl` and deleted records, times as `2026-01-01T10:00:00.000+0000`, errors as a list, 401
INVALID_SESSION_ID for a token that has ended.
"""

import re
from urllib.parse import quote, unquote

from servers.base import Answer, Request
from servers.source import Record, SourceServer


class SalesforceSource(SourceServer):
    changed = "SystemModstamp"
    size = 2000

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
        held = self.tables.get(object, {}).get(id, {})
        self.put(object, id, **{"Id": id, "IsDeleted": False, **held, self.changed: self.now, **values})
        self.tables[object][id].pop("id", None)

    def bin(self, object: str, id: str) -> None:
        """Delete a record: it lies in the recycle bin."""
        self.add(object, id, IsDeleted=True)

    def handle(self, request: Request) -> Answer:
        if request.path == "/services/oauth2/token":
            right = request.form() == {
                "client_id": "3MVG9", "client_secret": "A1B2", "grant_type": "client_credentials",
            }  # fmt: skip
            return Answer(200, {"access_token": "00D!x"}) if right else Answer(400, {"error": "invalid_client"})
        if request.headers.get("authorization") != "Bearer 00D!x":
            return Answer(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
        beginning = "/services/data/v62.0/queryAll"
        if not request.path.startswith(beginning):
            return Answer(404, [{"errorCode": "NOT_FOUND"}])
        token = unquote(request.path.removeprefix(beginning).strip("/")) or None
        query = self.asked(request.query, token)["q"]
        where = r"(?: WHERE SystemModstamp >= (\S+)(?: AND SystemModstamp < (\S+))?)?"
        match = re.fullmatch(rf"SELECT (.+) FROM (\w+){where} ORDER BY .+", query)
        if match is None:
            return Answer(400, [{"message": query, "errorCode": "MALFORMED_QUERY"}])
        fields = match[1].split(", ")
        since, until = match[3] or "", match[4] or "9"
        rows = [row for row in self.rows(match[2]) if since[:19] <= row[self.changed][:19] < until[:19]]
        page = self.page(rows, lambda row: (row[self.changed], row["Id"]), self.size, token, {"q": query})
        records: list[Record] = [
            {"attributes": {"type": match[2]}, **{field: row.get(field) for field in fields}} for row in page.records
        ]
        answer: Record = {"totalSize": len(rows), "done": page.token is None, "records": records}
        if page.token:
            answer["nextRecordsUrl"] = f"{beginning}/{quote(page.token, safe='')}"
        return Answer(200, answer)
