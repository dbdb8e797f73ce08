"""The case of `google`: a Customer Match list that works on requests after it has answered."""

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from servers.base import Answer, Request, ToolServer
from servers.case import Case

LIST, ACCOUNT = "8800000001", "1234567890"
ACCOUNT_EMAIL = "kinship@project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/datamanager"
CANNOT = "-"
"""A postal code that is refused at once."""
WILL_NOT = "late"
"""A postal code that is refused when the request is worked on."""


@cache
def key(n: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(url: str, n: int) -> str:
    """A service account's JSON with key number `n`."""
    pem = key(n).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps({"type": "service_account", "client_email": ACCOUNT_EMAIL, "private_key_id": f"key{n}",
                       "private_key": pem.decode(), "token_uri": f"{url}/token"})  # fmt: skip


@dataclass
class Work:
    """A request that was taken: what its status says after so many looks."""

    status: dict[str, Any]
    looks: int


class GoogleServer(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, dict[str, Any]] = {}
        """By the hash of the e-mail (or phone), the identifiers as they were sent."""
        self.looks = 1
        """How often a status says PROCESSING before it is final."""
        self.forgets = False
        """Whether statuses are not known any more."""
        self.error: tuple[int, dict[str, Any]] | None = None
        """An answer to every request but that for a token: status, error."""
        self.tokens: set[str] = set()
        self._work: dict[str, Work] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_GOOGLE_URL": self.url, "KINSHIP_GOOGLE_SERVICE_ACCOUNT": key_file(self.url, 0)}

    def too_many(self) -> Answer:
        answer = self.refusal(429, "RESOURCE_EXHAUSTED")
        wait = self.faults.retry_after
        return Answer(429, answer.body, {} if wait is None else {"Retry-After": str(wait)})

    @staticmethod
    def refusal(status: int, name: str, violations: list[dict[str, str]] | None = None, reason: str = "") -> Answer:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason or name,
                "domain": "datamanager.googleapis.com"}  # fmt: skip
        bad = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
        return Answer(
            status,
            {
                "error": {
                    "code": status,
                    "message": "There was a problem with the request.",
                    "status": name,
                    "details": [info, bad] if violations else [info],
                }
            },
        )

    def handle(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token(request.form())
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return self.refusal(401, "UNAUTHENTICATED")
        if self.error is not None:
            status, error = self.error
            return Answer(status, {"error": error})
        if request.path == "/v1/requestStatus:retrieve":
            return self._status(request.query["requestId"])
        method = request.path.removeprefix("/v1/audienceMembers:")
        return (
            self._members(method, request.json()) if method in ("ingest", "remove") else self.refusal(404, "NOT_FOUND")
        )

    def _token(self, form: dict[str, str]) -> Answer:
        signed, _, signature = form["assertion"].rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        try:
            key(0).public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        right = {"iss": ACCOUNT_EMAIL, "scope": SCOPE, "aud": f"{self.url}/token"}
        if header["alg"] != "RS256" or not right.items() <= claims.items() or claims["exp"] - time.time() > 3601:
            self.broken.append("an assertion that says something else")
        token = f"ya29.{len(self.tokens)}"
        self.tokens.add(token)
        return Answer(body={"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _members(self, method: str, asked: dict[str, Any]) -> Answer:
        members = asked["audienceMembers"]
        (destination,) = asked["destinations"]
        if destination["operatingAccount"] != {"accountType": "GOOGLE_ADS", "accountId": ACCOUNT}:
            return self.refusal(403, "PERMISSION_DENIED")
        if destination["productDestinationId"] != LIST:
            return self.refusal(
                400, "INVALID_ARGUMENT", [{"field": "destinations[0]", "reason": "INVALID_USER_LIST_ID"}]
            )
        if method == "ingest" and asked.get("termsOfService") != {"customerMatchTermsOfServiceStatus": "ACCEPTED"}:
            return self.refusal(400, "INVALID_ARGUMENT", reason="TERMS_AND_CONDITIONS_NOT_SIGNED")
        granted = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
        if method == "ingest" and asked.get("consent") != granted:
            self.broken.append("members without consent")
        if len(members) > 10_000:
            self.broken.append(f"{len(members)} members in a request")
            return self.refusal(400, "INVALID_ARGUMENT", reason="TOO_MANY_AUDIENCE_MEMBERS")
        if violations := [one for n, member in enumerate(members) if (one := self._violation(n, member))]:
            # fast fail: nothing of the request is taken
            return self.refusal(400, "INVALID_ARGUMENT", violations)
        if asked.get("validateOnly"):
            return Answer(body={})
        failed = 0
        for member in members:
            identifiers = member["userData"]["userIdentifiers"]
            first = next(iter(identifiers[0].values()))
            if _postal_code(identifiers) == WILL_NOT:
                failed += 1
            elif method == "remove":
                self.members.pop(first, None)
            else:
                self.members[first] = {"identifiers": identifiers}
        name = f"request-{len(self._work)}"
        count = {"recordCount": str(len(members))}
        status: dict[str, Any] = {"destination": destination, "audienceMembersIngestionStatus": {
            "userDataIngestionStatus": count}}  # fmt: skip
        status["requestStatus"] = "SUCCESS" if not failed else "FAILED" if failed == len(members) else "PARTIAL_SUCCESS"
        if failed:
            status["errorInfo"] = {"errorCounts": [
                {"recordCount": str(failed), "reason": "PROCESSING_ERROR_REASON_DENIED_CONSENT"}]}  # fmt: skip
        self._work[name] = Work(status, self.looks)
        return Answer(body={"requestId": name})

    @staticmethod
    def _violation(n: int, member: dict[str, Any]) -> dict[str, str] | None:
        field = f"audience_members.audience_members[{n}]"
        identifiers = member["userData"]["userIdentifiers"]
        if not 1 <= len(identifiers) <= 10:
            return {"field": field, "reason": "TOO_MANY_USER_IDENTIFIERS"}
        for identifier in identifiers:
            address = identifier.get("address", {})
            hashed = [identifier[name] for name in ("emailAddress", "phoneNumber") if name in identifier]
            hashed += [address[name] for name in ("givenName", "familyName") if name in address]
            if not all(re.fullmatch(r"[0-9a-f]{64}", value) for value in hashed):
                return {"field": field, "reason": "INVALID_SHA256_FORMAT"}
            if address and not re.fullmatch(r"[A-Z]{2}", address["regionCode"]):
                return {"field": f"{field}.user_data.user_identifiers", "reason": "INVALID_COUNTRY_CODE"}
            if address and address["postalCode"] == CANNOT:
                return {"field": f"{field}.user_data.user_identifiers", "reason": "INVALID_POSTAL_CODE"}
        return None

    def _status(self, name: str) -> Answer:
        work = self._work.get(name)
        if work is None or self.forgets:
            return self.refusal(404, "NOT_FOUND")
        work.looks -= 1
        status = {"destination": work.status["destination"], "requestStatus": "PROCESSING"}
        return Answer(body={"requestStatusPerDestination": [work.status if work.looks < 0 else status]})


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _postal_code(identifiers: list[dict[str, Any]]) -> str | None:
    return next((one["address"]["postalCode"] for one in identifiers if "address" in one), None)


class Members(Case):
    sync = {  # noqa: RUF012
        "object": LIST,
        "key": "email_address",
        "options": {
            "account": "123-456-7890",
            "accept_terms": True,
            "first_look_seconds": 0.001,
            "longest_look_seconds": 0.002,
        },
    }
    # not hashed
    value = "postal_code"

    def server(self, folder: Path) -> GoogleServer:
        return GoogleServer()

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email_address": f" {self.key(n).upper()} ", "given_name": "Ána", "family_name": f"O'Neil {n}",
                "region_code": "de", "postal_code": value}  # fmt: skip

    def poisoned(self, n: int) -> dict[str, Any]:
        return self.row(n, CANNOT)

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        url = environment.get("KINSHIP_GOOGLE_URL", "")
        return environment | {"KINSHIP_GOOGLE_SERVICE_ACCOUNT": key_file(url, 1)}

    def content(self, server: Any) -> list[tuple[str, str]]:
        people = {hashlib.sha256(self.key(n).encode()).hexdigest(): self.key(n) for n in range(200)}
        return sorted(
            (people[email], _postal_code(member["identifiers"]) or "") for email, member in server.members.items()
        )


class Late(Members):
    """A row that is refused only when its request is worked on."""

    def poisoned(self, n: int) -> dict[str, Any]:
        return self.row(n, WILL_NOT)
