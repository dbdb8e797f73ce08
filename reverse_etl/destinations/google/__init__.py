"""Google Customer Match (Google Ads, Display & Video 360) by the Data Manager API, v1.

What shapes this package (Data Manager API: REST reference of `audienceMembers.ingest`, `audienceMembers.remove` and
`requestStatus.retrieve`, "Format user data", "Understand API errors", "Diagnostics", "Limits and quotas"):

* 10,000 members a request, 10 identifiers a member; 300 requests a minute and 100,000 a day for a project.
* A request with one invalid member is refused whole, and names its members by position (`fieldViolations`): they are
  refused, the others sent again.
* A good answer is a `requestId` and no more: Google works on it later (it asks to look after half an hour), and only
  its status says whether members are in. Rows are accepted when the status says SUCCESS. Until then they stay claimed
  and the id is noted, so that the next run asks for the result instead of sending again; and nothing else is sent
  before, for a request that is worked on late could undo a removal. The option `confirm` switches that off.
* PARTIAL_SUCCESS says how many records failed and why, but not which: the rows are halved and sent again, which
  changes nothing for those who are in.
* A list cannot be read, and forgets members after its membership duration (540 days at most), of which we do not
  hear.
* Consent is a field of the request. It says GRANTED because nobody gets here who has not consented to the sync's
  purpose.

Values leave as SHA-256 by Google's rules (`reverse_etl.hashing`); what cannot be normalised is left out. The key
alone (`email_address` or `phone_number`) takes a person back.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import httpx
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Row, Target
from reverse_etl.destinations.google.oauth import Tokens
from reverse_etl.destinations.google.requests import Patience, Requests, Verdict, name_of
from reverse_etl.environment import setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, Rejected, Retryable
from reverse_etl.hashing import GOOGLE, for_google, sha256
from reverse_etl.http import Http, body
from reverse_etl.limits import Limits, Options, Rate
from reverse_etl.rendering import for_text

_IDENTIFIERS = {"email_address": "emailAddress", "phone_number": "phoneNumber"}
_ADDRESS = {
    "given_name": "givenName",
    "family_name": "familyName",
    "region_code": "regionCode",
    "postal_code": "postalCode",
}
_MOST_IDENTIFIERS = 10
_GRANTED = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
_POSITION = re.compile(r"audience_members\[(\d+)\]")
_SETUP = frozenset({
    "TERMS_AND_CONDITIONS_NOT_SIGNED", "INVALID_DESTINATION", "INVALID_USER_LIST_ID", "INVALID_USER_LIST_TYPE",
    "NOT_FOUND", "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED", "UNSUPPORTED_OPERATING_ACCOUNT_FOR_DATA_PARTNER",
    "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH",
})  # fmt: skip
"""Reasons of a refusal that lie in the account or the list."""
_IN_THE_BODY = (400, 401, 403, 404)
"""Statuses whose meaning is the error in the body."""
_MOST_PASSES = 20
"""Refusals in a row that name members, after which the rest is left to bisecting."""


class GoogleOptions(Options):
    """`account`: the advertiser's id that owns the list; `login_account`: the manager account through which we come.

    `accept_terms`: you have read and accepted Google's Customer Match terms; Google wants to be told with each request.
    """

    account: str | None = Field(default=None, pattern=r"^[\d-]+$")
    login_account: str | None = Field(default=None, pattern=r"^[\d-]+$")
    account_type: Literal["GOOGLE_ADS", "DISPLAY_VIDEO_ADVERTISER", "DISPLAY_VIDEO_PARTNER"] = "GOOGLE_ADS"
    accept_terms: bool = False
    confirm: bool = True
    first_look_seconds: float = Field(default=60.0, gt=0)
    longest_look_seconds: float = Field(default=300.0, gt=0)
    wait_seconds: float = Field(default=7200.0, ge=0)
    timeout_seconds: float = Field(default=60.0, gt=0)


class _Invalid(Exception):
    """Members, by position, that made Google refuse the whole request, and why."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__()
        self.reasons = reasons


class Google(Destination):
    """One Customer Match list: the sync's `object` is its id."""

    options_model = GoogleOptions
    # membership has no fields to update
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._tokens = Tokens()
        self._options: GoogleOptions = target.options
        if target.sync:
            self._check_target()
        self._http = Http(
            "google",
            setting("KINSHIP_GOOGLE_URL", "https://datamanager.googleapis.com"),
            target.meter,
            timeout=self._options.timeout_seconds,
        )
        patience = Patience(
            self._options.first_look_seconds, self._options.longest_look_seconds, self._options.wait_seconds
        )
        self._requests = Requests(target.state / "requests" / f"{target.sync}.json", self._look, patience)

    def _check_target(self) -> None:
        target, options = self.target, self._options
        if not target.object.isdecimal():
            raise ConfigurationError(f"{target.sync}: the object of a sync to google is the id of a list, in digits")
        if not options.account:
            raise ConfigurationError(f"{target.sync}: the option `account` is missing: the advertiser's id")
        if not options.accept_terms:
            raise ConfigurationError(
                f"{target.sync}: google asks whether its Customer Match terms are accepted: read them, then set the "
                "option `accept_terms`"
            )
        if target.key not in _IDENTIFIERS or target.kinds.get(target.key, "").endswith("[]"):
            raise ConfigurationError(
                f"{target.sync}: the key of a member is one email_address or one phone_number: a removal sends it alone"
            )
        if unknown := sorted(set(target.fields) - set(GOOGLE)):
            raise ConfigurationError(
                f"{target.sync}: google has no identifier {unknown[0]!r}; it has {', '.join(GOOGLE)} "
                "(begin a column with _ to keep it in the house)"
            )

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # "Limits and quotas": members a request, requests a minute and a day for a project. Batches wait for their
        # results, so several are on their way
        return Limits(rows=10_000, concurrency=10, rates=(Rate(300, 60.0),), calls_per_day=100_000)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        # a request and a look at its status
        return 2 * super().estimate_calls(object, options, limits, adds, changes, removals)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return column if kind == "VARCHAR[]" else for_text(column, kind)

    async def check(self) -> CheckResult:
        if not self.target.sync:
            await self._tokens.token(self._http)
            return CheckResult("google", "ok", "there is an access token")
        nobody = {"userData": {"userIdentifiers": [{"emailAddress": sha256("nobody@example.com")}]}}
        try:
            await self._post("ingest", [nobody], validate_only=True)
        except Rejected as refused:
            return CheckResult("google", "failed", f"google refuses a request for the list ({refused.error_class})")
        return CheckResult("google", "ok", "google would take members for the list")

    async def prepare(self) -> None:
        await self._requests.settle()

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        rows, members = [], []
        for row, values in batch.records():
            identifiers = self._identifiers(values)
            if for_google(self.target.key, values[self.target.key]) is None:
                yield Outcome(row.key, "rejected", error_class=f"invalid_{self.target.key}")
            elif len(identifiers) > _MOST_IDENTIFIERS:
                yield Outcome(row.key, "rejected", error_class="too_many_identifiers")
            else:
                rows.append(row)
                members.append({"userData": {"userIdentifiers": identifiers}})
        for outcome in await self._deliver("ingest", rows, members):
            yield outcome

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        rows, members = [], []
        for row in batch.rows:
            value = for_google(self.target.key, row.key)
            if value is None:
                # it was never taken
                yield Outcome(row.key, "accepted")
                continue
            rows.append(row)
            members.append({"userData": {"userIdentifiers": [{_IDENTIFIERS[self.target.key]: value}]}})
        for outcome in await self._deliver("remove", rows, members):
            yield outcome

    async def close(self) -> None:
        await self._http.close()

    def _identifiers(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What is known of a person, the key first, nothing twice."""
        found: list[dict[str, Any]] = []
        for field in sorted(_IDENTIFIERS, key=lambda name: name != self.target.key):
            given = values.get(field)
            for value in given if isinstance(given, list) else [given]:
                hashed = for_google(field, value)
                if hashed and {_IDENTIFIERS[field]: hashed} not in found:
                    found.append({_IDENTIFIERS[field]: hashed})
        address = {name: for_google(field, values.get(field)) for field, name in _ADDRESS.items()}
        # an address is matched as a whole: all four parts, or none
        return [*found, {"address": address}] if all(address.values()) else found

    async def _deliver(self, method: str, rows: Sequence[Row], members: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Send, wait for the result, and halve what succeeded in part."""
        outcomes: list[Outcome] = []
        for _ in range(_MOST_PASSES):
            if not rows:
                return outcomes
            try:
                return outcomes + await self._once(method, rows, members)
            except _Invalid as invalid:
                outcomes += [
                    Outcome(rows[position].key, "rejected", error_class=reason.lower())
                    for position, reason in invalid.reasons.items()
                ]
                kept = [position for position in range(len(rows)) if position not in invalid.reasons]
                rows, members = [rows[position] for position in kept], [members[position] for position in kept]
        raise Rejected("invalid_argument")

    async def _once(self, method: str, rows: Sequence[Row], members: Sequence[dict[str, Any]]) -> list[Outcome]:
        name = name_of(method, rows)
        if self._requests.find(name) is None:
            answer = await self._post(method, members)
            if not answer.get("requestId"):
                raise Retryable("no_request_id", "google said yes without the id of the request")
            if not self._options.confirm:
                return [Outcome(row.key, "accepted") for row in rows]
            self._requests.add(name, str(answer["requestId"]))
        try:
            verdict = await self._requests.wait(name)
        except KeyError:
            self._requests.close(name)
            raise Retryable("request_unknown", "google does not know the request any more; it is made again") from None
        self._requests.close(name)
        if verdict.status == "SUCCESS":
            return [Outcome(row.key, "accepted") for row in rows]
        if any(reason.endswith("INTERNAL_ERROR") for reason in verdict.reasons):
            raise Retryable("internal_error", "google failed on a request")
        if verdict.status == "PARTIAL_SUCCESS" and len(rows) > 1:
            middle = len(rows) // 2
            halves = await asyncio.gather(
                self._deliver(method, rows[:middle], members[:middle]),
                self._deliver(method, rows[middle:], members[middle:]),
                return_exceptions=True,
            )
            outcomes: list[Outcome] = []
            for half in halves:
                if isinstance(half, BaseException):
                    raise half
                outcomes += half
            return outcomes
        reason = max(verdict.reasons, key=lambda name: verdict.reasons[name], default="PROCESSING_FAILED")
        error_class = reason.removeprefix("PROCESSING_ERROR_REASON_").lower()
        return [Outcome(row.key, "rejected", error_class=error_class) for row in rows]

    async def _post(
        self, method: str, members: Sequence[dict[str, Any]], *, validate_only: bool = False
    ) -> dict[str, Any]:
        options = self._options
        destination: dict[str, Any] = {
            "operatingAccount": _account(options.account_type, options.account),
            "productDestinationId": self.target.object,
        }
        if options.login_account:
            destination["loginAccount"] = _account(options.account_type, options.login_account)
        request: dict[str, Any] = {
            "destinations": [destination],
            "audienceMembers": members,
            "encoding": "HEX",
            "validateOnly": validate_only,
        }
        if method == "ingest":
            request |= {"consent": _GRANTED, "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"}}
        response = await self._call("POST", f"/v1/audienceMembers:{method}", json=request)
        answer = body(response)
        if response.is_success and isinstance(answer, dict):
            return answer
        raise self._failure(response, answer, len(members))

    async def _look(self, request: str) -> Verdict | None:
        """How a request ended; None while it is worked on. Raises KeyError when Google does not know it."""
        response = await self._call("GET", "/v1/requestStatus:retrieve", params={"requestId": request})
        if response.status_code == 404:
            raise KeyError(request)
        answer = body(response)
        if not response.is_success:
            raise self._failure(response, answer, 0)
        destinations = answer.get("requestStatusPerDestination") or [{}]
        status = str(destinations[0].get("requestStatus", ""))
        if status not in ("SUCCESS", "PARTIAL_SUCCESS", "FAILED", "FAILURE"):
            return None
        counts = (destinations[0].get("errorInfo") or {}).get("errorCounts") or []
        reasons = {str(count.get("reason", "")): int(count.get("recordCount", 0)) for count in counts}
        return Verdict("FAILED" if status == "FAILURE" else status, reasons)

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A call with a token; one that is refused is renewed once."""
        for is_last in (False, True):
            headers = {"Authorization": f"Bearer {await self._tokens.token(self._http)}"}
            response = await self._http.request(method, path, headers=headers, expect=_IN_THE_BODY, **arguments)
            if response.status_code != 401 or is_last or not self._tokens.forget():
                break
        return response

    def _failure(self, response: httpx.Response, answer: Any, members: int) -> Exception:
        """The error of an answer. Its messages may quote what was sent: only reasons are told."""
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        details = [detail for detail in error.get("details", ()) if isinstance(detail, dict)]
        violations = [one for detail in details for one in detail.get("fieldViolations", ())]
        reasons = [str(one["reason"]) for one in (*violations, *details) if one.get("reason")]
        if setup := next((reason for reason in reasons if reason in _SETUP), None):
            return ConfigurationError(
                f"{self.target.sync}: google refuses list {self.target.object} of account {self._options.account} "
                f"({setup}): check `object`, `account`, `login_account`, and the terms and declarations of the account"
            )
        if response.status_code == 401:
            return AuthenticationError("google refuses the access token: check KINSHIP_GOOGLE_SERVICE_ACCOUNT")
        if response.status_code == 403:
            return AuthenticationError(
                f"google denies access ({(reasons or ['PERMISSION_DENIED'])[0]}): enable the Data Manager API in the "
                "project, and add the service account as a user to the advertiser or its manager account"
            )
        positions = {}
        for one in violations:
            found = _POSITION.search(str(one.get("field", "")))
            if found and int(found[1]) < members:
                positions[int(found[1])] = str(one.get("reason") or "INVALID_AUDIENCE_MEMBER")
        if positions:
            return _Invalid(positions)
        return Rejected((reasons or [str(error.get("status") or f"http_{response.status_code}")])[0].lower())


def _account(kind: str, account: str | None) -> dict[str, str]:
    return {"accountType": kind, "accountId": (account or "").replace("-", "")}
