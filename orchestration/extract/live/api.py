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


@dataclass(frozen=True)
class Api:
    """How to reach a vendor.

    `required` are environment variables less the source's name (`ACCESS_TOKEN` is `SHOPIFY_ACCESS_TOKEN`); all set
    means that the source is live. `url` is the address where the variable `URL` gives none. `auth` and `headers` make
    of the settings what each call carries. `parallel`: tables fetched at the same time. `quota`: the header that tells
    how many calls are left.
    """

    required: tuple[str, ...]
    auth: Callable[[Settings], AuthBase]
    path: str = ""
    url: str = ""
    optional: tuple[str, ...] = ()
    headers: Callable[[Settings], Mapping[str, str]] = lambda _: {}
    rates: tuple[Rate, ...] = ()
    parallel: int = 1
    quota: str | None = None
    patience: Patience = field(default_factory=Patience)

    def settings(self, source: str) -> Settings | None:
        """What the environment says, None when it says nothing. Raises `ExtractError` when it says half."""
        prefix = source.upper()
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

    def account(self, settings: Settings) -> str:
        """A name for the account that is good for a folder: records of two accounts never mix."""
        return re.sub(r"[^\w.-]+", "_", settings.get("ACCOUNT") or urlsplit(settings["URL"]).netloc)

    def client(self, settings: Settings, pace: Pace, meter: Meter) -> RESTClient:
        """A client for one thread."""
        base = settings["URL"].rstrip("/") + self.path
        line = Line(base, pace, meter, self.patience, self.quota)
        return RESTClient(base, headers=dict(self.headers(settings)), auth=self.auth(settings), session=line)


_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
