"""Who looks, and what they may see."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards.signin import Place, SignIn


@dataclass(frozen=True)
class Viewer:
    """Whoever looks at a page."""

    subject: str
    """How the access log calls them: their verified e-mail address, else the provider's name for them; `local` for
    whoever sits at this machine, `anonymous` for whoever comes over the network and has not signed in."""
    is_signed_in: bool = False
    is_allowed: bool = False
    """To see personal data."""


def sign_in() -> SignIn | None:
    """The sign-in that is configured."""
    return SignIn.from_environment(Place.from_environment())


def viewer() -> Viewer:
    """The viewer of this session. What Streamlit says of them comes from a cookie that the server has signed."""
    place = Place.from_environment()
    nobody = Viewer("local" if place.is_loopback else "anonymous")
    configured = SignIn.from_environment(place)
    claims: dict[str, Any] = st.user.to_dict()
    # without a sign-in nothing that calls itself a user is one
    if configured is None or claims.get("is_logged_in") is not True or not configured.is_recent(claims):
        return nobody
    verified = claims.get("email") if claims.get("email_verified") in (True, "true") else None
    return Viewer(str(verified or claims.get("sub") or "unknown"), True, configured.allows(claims))
