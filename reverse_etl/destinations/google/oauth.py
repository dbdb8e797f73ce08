"""Access tokens of Google: one that is given, or those that a service account asks for with its key (RFC 7523)."""

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, Retryable
from reverse_etl.http import Http, body

SCOPE = "https://www.googleapis.com/auth/datamanager"
_LIFE = 3600
_MARGIN = 120
"""Seconds before its end at which a token is renewed."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_NAMES = ("client_email", "private_key", "token_uri")


class ServiceAccount:
    """The JSON key file of a service account; nothing of it is ever told but the variable it came from."""

    def __init__(self, text: str) -> None:
        try:
            content = json.loads(text if text.lstrip().startswith("{") else Path(text).expanduser().read_text())
            self.email, key, self.token_uri = (str(content[name]) for name in _NAMES)
            self._key_id = content.get("private_key_id")
            loaded = serialization.load_pem_private_key(key.encode(), password=None)
            if not isinstance(loaded, rsa.RSAPrivateKey):
                raise ValueError("no RSA key")
            self._key = loaded
        except (OSError, ValueError, KeyError, TypeError, UnsupportedAlgorithm):
            raise ConfigurationError(
                "KINSHIP_GOOGLE_SERVICE_ACCOUNT is no key of a service account: give the path of its JSON file, or the "
                f"JSON itself, with {', '.join(_NAMES)}"
            ) from None

    def assertion(self) -> str:
        """A signed statement of who we are, good for an hour."""
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "kid": self._key_id}
        claims = {"iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": now, "exp": now + _LIFE}
        signed = f"{_part(header)}.{_part(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


class Tokens:
    """The token of the environment, or one that is renewed in time. Makes no call before the first is needed."""

    def __init__(self) -> None:
        self._token = setting("KINSHIP_GOOGLE_ACCESS_TOKEN", "")
        self._account = None
        self._turn = asyncio.Lock()
        self._good_until = float("inf") if self._token else 0.0
        if not self._token:
            (text,) = credentials("google", "KINSHIP_GOOGLE_SERVICE_ACCOUNT")
            self._account = ServiceAccount(text)

    async def token(self, http: Http) -> str:
        """A token that is good now. Raises AuthenticationError when Google does not know the account or its key."""
        async with self._turn:
            await self._renew(http)
        return self._token

    async def _renew(self, http: Http) -> None:
        if self._account is not None and time.monotonic() > self._good_until - _MARGIN:
            asked = {"grant_type": _GRANT, "assertion": self._account.assertion()}
            response = await http.request("POST", self._account.token_uri, data=asked, expect=(400, 401, 403))
            answer: Any = body(response)
            if not response.is_success:
                code = answer.get("error") if isinstance(answer, dict) else None
                raise AuthenticationError(
                    f"google refuses the service account ({code}): check KINSHIP_GOOGLE_SERVICE_ACCOUNT, that the key "
                    "was not deleted, and this machine's clock"
                )
            if not answer.get("access_token"):
                raise Retryable("no_token", "google answered without a token")
            self._token = str(answer["access_token"])
            self._good_until = time.monotonic() + float(answer.get("expires_in", _LIFE))

    def forget(self) -> bool:
        """The token was refused. Whether there will be another."""
        self._good_until = 0.0
        return self._account is not None


def _part(content: dict[str, Any]) -> str:
    return _base64(json.dumps({name: value for name, value in content.items() if value is not None}).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
