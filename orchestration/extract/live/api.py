"""A vendor's API as a source module declares it: address, credentials, pace."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dlt.sources.helpers.rest_client.client import RESTClient
from requests.auth import AuthBase

from orchestration.extract.live.line import Line, Meter, Pace, Patience, Rate
from orchestration.extract.target import ExtractError

Settings = Mapping[str, str]
"""The API's environment variables that are set, without the vendor's name: `URL`, `ACCESS_TOKEN`."""


@dataclass(frozen=True, eq=False)
class Api:
    """How to reach a vendor.

    `required` are environment variables less the source's name (`ACCESS_TOKEN` is `SHOPIFY_ACCESS_TOKEN`); all set
    means that the source is live. `url` is the address where the variable `URL` gives none. `auth` and `headers` make
    of the settings what each call carries. `rates` are by the beginning of the path, '' for every call. `parallel`:
    tables fetched at the same time. `quota`: the header that tells how many calls are left, `reset` the one that tells
    when there are calls again, in seconds since 1970. `throttles`: error codes by which it says too many calls. `name`
    is the beginning of the variables, where it is not the source's name.
    """

    required: tuple[str, ...]
    auth: Callable[[Settings], AuthBase]
    path: str = ""
    url: str = ""
    optional: tuple[str, ...] = ()
    headers: Callable[[Settings], Mapping[str, str]] = lambda _: {}
    rates: Mapping[str, tuple[Rate, ...]] = field(default_factory=dict)
    parallel: int = 1
    quota: str | None = None
    reset: str | None = None
    throttles: frozenset[str] = frozenset()
    name: str = ""
    patience: Patience = field(default_factory=Patience)

    def settings(self, source: str) -> Settings | None:
        """What the environment says, None when it says nothing. Raises `ExtractError` when it says half."""
        prefix = (self.name or source).upper()
        names = (*self.required, *self.optional, "URL")
        found = {name: value for name in names if (value := os.environ.get(f"{prefix}_{name}", "").strip())}
        missing = [f"{prefix}_{name}" for name in self.required if name not in found]
        if len(missing) == len(self.required):
            return None
        if missing:
            raise ExtractError(f"the live API of {source} is half configured: {', '.join(missing)} is not set")
        address = urlsplit(found.setdefault("URL", self.url))
        if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _HERE):
            raise ExtractError(f"{prefix}_URL must be an address with https://: credentials go over it")
        return found

    def variable(self, source: str) -> str:
        """The variable by which the API is known to be configured."""
        return f"{(self.name or source).upper()}_{self.required[0]}"

    def account(self, settings: Settings) -> str:
        """A name for the account that is good for a folder: records of two accounts never mix, also of one server's."""
        address = urlsplit(settings["URL"])
        return re.sub(r"[^\w.-]+", "_", settings.get("ACCOUNT") or address.netloc + address.path.rstrip("/"))

    def clients(self, settings: Settings, meter: Meter) -> Callable[[], RESTClient]:
        """What makes a client for one thread; all of them keep one pace and share one login."""
        base = settings["URL"].rstrip("/") + self.path.format(**settings)
        paces = {"": Pace((), meter)} | {path: Pace(rates, meter) for path, rates in sorted(self.rates.items())}
        auth = self.auth(settings)

        def client() -> RESTClient:
            line = Line(base, paces, meter, self.patience, self.quota, self.throttles, self.reset)
            return RESTClient(base, headers=dict(self.headers(settings)), auth=auth, session=line)

        return client


_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
