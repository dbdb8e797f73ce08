"""An OpenID Connect provider on loopback: code flow with PKCE and client secret, tokens signed with its own RSA key."""

import base64
import hashlib
import html
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey

from servers.base import Answer, Request, ToolServer

# with what a file of settings must not stumble over
CLIENT_ID, CLIENT_SECRET = "kinship-dashboards", 'a "quoted" \\ secret'


@dataclass
class _Grant:
    claims: dict[str, Any]
    redirect_uri: str
    challenge: str
    nonce: str


class Provider(ToolServer):
    """Knows `people` by login name, each with the claims of their identity token."""

    def __init__(self, people: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.people = people
        self.redirect_uris: set[str] = set()
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, _Grant] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_DASHBOARDS_OIDC_METADATA_URL": f"{self.url}/.well-known/openid-configuration",
            "KINSHIP_DASHBOARDS_OIDC_CLIENT_ID": CLIENT_ID,
            "KINSHIP_DASHBOARDS_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "KINSHIP_DASHBOARDS_COOKIE_SECRET": "0123456789abcdef0123456789abcdef",
        }

    def handle(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/.well-known/openid-configuration":
                return Answer(200, self._metadata())
            case "GET", "/keys":
                return Answer(200, {"keys": [self._key.as_dict(private=False)]})
            case "GET", "/authorize":
                return self._ask(request)
            case "POST", "/authorize":
                return self._grant(request.form())
            case "POST", "/token":
                return self._token(request)
            case "GET", "/logout":
                return _redirect(request.query["post_logout_redirect_uri"])
        return Answer(404, {"error": "not_found"})

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _ask(self, request: Request) -> Answer:
        """The login form, which carries the request on."""
        query = request.query
        if query.get("client_id") != CLIENT_ID or query.get("redirect_uri") not in self.redirect_uris:
            return Answer(400, {"error": "invalid_request"})
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        page = f'<form method="post" action="/authorize"><input name="login"><button>Enter</button>{hidden}</form>'
        return Answer(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _grant(self, form: dict[str, str]) -> Answer:
        if form["login"] not in self.people:
            return Answer(403, {"error": "access_denied"})
        code = secrets.token_urlsafe()
        challenge = form["code_challenge"] if form.get("code_challenge_method") == "S256" else ""
        self._codes[code] = _Grant(self.people[form["login"]], form["redirect_uri"], challenge, form.get("nonce", ""))
        return _redirect(f"{form['redirect_uri']}?{urlencode({'code': code, 'state': form['state']})}")

    def _token(self, request: Request) -> Answer:
        form = request.form()
        given = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        grant = self._codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if given != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return Answer(401, {"error": "invalid_client"})
        if grant is None or form.get("redirect_uri") != grant.redirect_uri:
            return Answer(400, {"error": "invalid_grant"})
        if base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != grant.challenge:
            return Answer(400, {"error": "invalid_grant"})
        issued = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": issued, "exp": issued + 300, "nonce": grant.nonce}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, **grant.claims}, self._key)
        body = {"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "expires_in": 300, "id_token": token}
        return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/json", "Cache-Control": "no-store"})


def _redirect(url: str) -> Answer:
    return Answer(302, b"", {"Location": url})
