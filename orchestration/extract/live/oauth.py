"""Access tokens that end: got with a refresh token, and again before they do."""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from requests import RequestException
from requests.sessions import Session

from orchestration.extract.live.line import Refused, Unavailable, error_code


@configspec
class RefreshToken(OAuth2ClientCredentials):
    """dlt's client credentials, with the grant `refresh_token` where there is one."""

    refresh_token: str = ""

    def obtain_token(self) -> None:
        """Raises `Refused` or `Unavailable`, without what was sent."""
        data = {"client_id": self.client_id, "client_secret": self.client_secret, "grant_type": "client_credentials"}
        if self.refresh_token:
            data |= {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        try:
            with Session() as session:
                response = session.post(self.access_token_url, data=data, timeout=30, allow_redirects=False)
            answer: Any = response.json()
        except RequestException as error:
            raise Unavailable(f"no access token ({type(error).__name__})") from None
        if response.status_code != 200 or "access_token" not in answer:
            raise Refused(401, error_code(answer))
        self.access_token = str(answer["access_token"])
        # a minute less: the call that carries it takes its time
        self.token_expiry = self.token_expiry.now("UTC").add(seconds=self.parse_expiration_in_seconds(answer) - 60)
