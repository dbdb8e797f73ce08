"""The sign-in that the environment configures, and whom it lets see personal data (docs/dashboards.md).

Streamlit does the OpenID Connect; what it asks to have in a file, it gets in a private one that ends with the server.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from kinship.errors import WrongUse

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PREFIX = "KINSHIP_DASHBOARDS_"

_NEEDED = ("OIDC_METADATA_URL", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "COOKIE_SECRET")
_SHORTEST_SECRET = 32


@dataclass(frozen=True)
class Place:
    """Where the server listens, and how browsers reach it."""

    address: str
    port: int
    url: str

    @property
    def is_loopback(self) -> bool:
        return self.address in LOOPBACK

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.address

    @classmethod
    def from_environment(cls) -> Self:
        """KINSHIP_DASHBOARDS_ADDRESS, _PORT and _URL. Raises `WrongUse` for what is none."""
        address, port = _read("ADDRESS") or "127.0.0.1", _read("PORT") or "8501"
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise WrongUse(f"{PREFIX}PORT must be a port number, got {port!r}")
        url = _read("URL").rstrip("/") or f"http://{f'[{address}]' if ':' in address else address}:{port}"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            raise WrongUse(f"{PREFIX}URL must be like https://kinship.example.com, got {url!r}")
        return cls(address, int(port), url)


@dataclass(frozen=True)
class SignIn:
    """An OpenID Connect provider, and who of those it knows sees personal data."""

    metadata_url: str
    client_id: str
    client_secret: str
    cookie_secret: str
    scope: str
    allowed: tuple[str, ...]
    """E-mail addresses, and `<claim>=<value>`."""
    hours: float
    """How long after signing in somebody still counts as signed in."""

    @classmethod
    def from_environment(cls, place: Place) -> Self | None:
        """The sign-in that KINSHIP_DASHBOARDS_* describe, None where they describe none.

        Raises `WrongUse` for half a description, and for one that would send a session's cookie in the clear.
        """
        given = {name: _read(name) for name in _NEEDED}
        allowed = tuple(filter(None, (entry.strip() for entry in _read("UNMASKED").split(","))))
        missing = [f"{PREFIX}{name}" for name, value in given.items() if not value]
        if len(missing) == len(_NEEDED):
            if allowed:
                raise WrongUse(f"{PREFIX}UNMASKED needs a sign-in: set {', '.join(missing)} (docs/dashboards.md)")
            return None
        if missing:
            raise WrongUse(f"a sign-in needs all of its settings: {', '.join(missing)} is not set")
        if len(given["COOKIE_SECRET"]) < _SHORTEST_SECRET:
            raise WrongUse(f"{PREFIX}COOKIE_SECRET must have {_SHORTEST_SECRET} characters or more")
        for name, url in ((f"{PREFIX}URL", place.url), (f"{PREFIX}OIDC_METADATA_URL", given["OIDC_METADATA_URL"])):
            parts = urlsplit(url)
            if parts.scheme != "https" and parts.hostname not in LOOPBACK:
                raise WrongUse(f"{name} must begin with https:// when there is a sign-in, got {url!r}")
        hours = _read("SESSION_HOURS") or "12"
        if not hours.replace(".", "", 1).isdecimal() or float(hours) == 0:
            raise WrongUse(f"{PREFIX}SESSION_HOURS must be a number of hours, got {hours!r}")
        return cls(
            given["OIDC_METADATA_URL"], given["OIDC_CLIENT_ID"], given["OIDC_CLIENT_SECRET"], given["COOKIE_SECRET"],
            _read("OIDC_SCOPE") or "openid email profile", allowed, float(hours),
        )  # fmt: skip

    def write(self, path: Path, place: Place) -> None:
        """Write what Streamlit reads, to a file of its owner alone."""
        settings = {
            "redirect_uri": f"{place.url}/oauth2callback",
            "cookie_secret": self.cookie_secret,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "server_metadata_url": self.metadata_url,
        }
        # a JSON string is a TOML string
        lines = ["[auth]", *(f"{name} = {json.dumps(value)}" for name, value in settings.items())]
        lines += ["[auth.client_kwargs]", f"scope = {json.dumps(self.scope)}"]
        path.touch(mode=0o600, exist_ok=False)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def is_recent(self, claims: Mapping[str, Any]) -> bool:
        """Whether the identity token was issued so lately that its bearer still counts as signed in."""
        issued = claims.get("iat")
        if not isinstance(issued, int | float):
            return False
        return datetime.now(UTC).timestamp() - issued < self.hours * 3600

    def allows(self, claims: Mapping[str, Any]) -> bool:
        """Whether whoever these claims are about sees personal data.

        An e-mail address counts only when the provider says that it has verified it.
        """
        email = claims.get("email") if claims.get("email_verified") in (True, "true") else None
        for entry in self.allowed:
            claim, equals, value = entry.partition("=")
            if equals:
                has = claims.get(claim.strip())
                if value.strip() in (has if isinstance(has, list) else [has]):
                    return True
            elif isinstance(email, str) and email.casefold() == entry.casefold():
                return True
        return False


def _read(name: str) -> str:
    return os.environ.get(f"{PREFIX}{name}", "").strip()
