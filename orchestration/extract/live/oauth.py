"""Access tokens that end: got with a refresh token, and again before they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from requests import PreparedRequest, RequestException
from requests.sessions import Session

from orchestration.extract.live.line import Refused, Unavailable, error_code

_WAITS = (0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between tries."""


@configspec
class RefreshToken(OAuth2ClientCredentials):
    """dlt's client credentials, with the grant `refresh_token` where there is one."""

    refresh_token: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        with self._lock:  # one token for all threads
            return super().__call__(request)

    def expire(self, token: str | None) -> None:
        """Get another token before the next call, unless a thread has got one in place of this one already."""
        with self._lock:
            if self.access_token == token:
                self.token_expiry = self.token_expiry.now("UTC")

    def obtain_token(self) -> None:
        """Raises `Refused` or `Unavailable`, without what was sent."""
        data = {"client_id": self.client_id, "client_secret": self.client_secret, "grant_type": "client_credentials"}
        if self.refresh_token:
            data |= {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        for wait in (*_WAITS, None):
            try:
                answer = self._asked(data)
                break
            except Unavailable:
                if wait is None:
                    raise
                time.sleep(wait)
        self.access_token = str(answer["access_token"])
        # a minute less: the call that carries it takes its time
        self.token_expiry = self.token_expiry.now("UTC").add(seconds=self.parse_expiration_in_seconds(answer) - 60)

    def _asked(self, data: Mapping[str, str]) -> Any:
        try:
            with Session() as session:
                response = session.post(self.access_token_url, data=data, timeout=30, allow_redirects=False)
            if response.status_code == 429 or response.status_code >= 500:
                raise Unavailable(f"no access token (HTTP {response.status_code})")
            answer: Any = response.json()
        except RequestException as error:
            raise Unavailable(f"no access token ({type(error).__name__})") from None
        if response.status_code != 200 or "access_token" not in answer:
            raise Refused(401, error_code(answer))
        return answer
