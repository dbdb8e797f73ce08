"""Mailchimp's protocol: Basic authentication, its own data centre, refusals that are no refusals of the credentials.

Facts, from the vendor's documents (mailchimp.com/developer/marketing/docs) unless said otherwise: the data centre is
the end of the key (`...-us21`); errors are `application/problem+json`; no header says how much is left of anything; a
client that is too fast gets 429, and at a high volume 403 or 429 from a proxy, without JSON.
"""

import hashlib
import re
from typing import Any
from urllib.parse import quote

import httpx

from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited
from reverse_etl.http import Http, retry_after
from reverse_etl.pace import Meter

KEY = "KINSHIP_MAILCHIMP_KEY"


class Client:
    """Calls below one audience (`lists/<list_id>`). Raises NotConfigured without a key."""

    def __init__(self, list_id: str, meter: Meter, timeout: float) -> None:
        (key,) = credentials("mailchimp", KEY)
        centre = key.rpartition("-")[2] if "-" in key else ""
        address = setting("KINSHIP_MAILCHIMP_URL", f"https://{centre}.api.mailchimp.com")
        if not re.fullmatch(r"[a-z]+\d+", centre):
            raise ConfigurationError(f"{KEY} does not end with its data centre (such as -us21): copy the key whole")
        self._audience = f"/lists/{quote(list_id, safe='')}"
        self._http = Http(
            "mailchimp",
            f"{address.rstrip('/')}/3.0",
            meter,
            auth=("kinship", key),
            timeout=timeout,
            explain=lambda response: problem(response) or None,
        )

    async def call(
        self, method: str, path: str = "", *, expect: tuple[int, ...] = (), **arguments: Any
    ) -> httpx.Response:
        """One call below the audience; `expect` as in `Http.request`."""
        response = await self._http.request(method, self._audience + path, expect=(403, *expect), **arguments)
        if response.status_code == 403:
            if not problem(response):
                # a proxy in front of Mailchimp slows us down; it knows nothing of keys
                raise RateLimited(retry_after(response))
            raise AuthenticationError(f"mailchimp refuses the credentials ({problem(response)}): check {KEY}")
        return response

    async def close(self) -> None:
        await self._http.close()


def problem(response: httpx.Response) -> str:
    """The title of a problem document as a word (`member_in_compliance_state`); empty when it is no such document.

    Titles are a fixed vocabulary; details quote addresses and are never read here.
    """
    try:
        title = response.json()["title"]
    except (ValueError, KeyError, TypeError):
        return ""
    word = re.sub(r"[^a-z]+", "_", str(title).lower()).strip("_")
    return _WORDS.get(word, word[:40])


_WORDS = {"member_in_compliance_state": "opted_out", "forgotten_email_not_subscribed": "erased"}


def member_path(email: str) -> str:
    """`/members/<hash>`: a member is addressed by the MD5 of the lower-case address."""
    return f"/members/{hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()}"
