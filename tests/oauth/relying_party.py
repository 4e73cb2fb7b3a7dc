"""A relying party for tests, written from the specifications: it trusts nothing it has not checked.

RFC 6749, RFC 7636, RFC 9207 and OpenID Connect Core sections 3.1.2, 3.1.3 and 12.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from werkzeug.test import TestResponse

from models import OAuthClient
from tests.client import Connection, User
from tests.oauth.form_browser import FormBrowser, Page, Values

ASSERTION_KEY = ECKey.generate_key("P-256", {"kid": "assertion"}, private=True)
"""The key of clients that authenticate with `private_key_jwt`."""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY = 5
"""Seconds by which the clocks of client and server may differ."""


def secret_of(client_id: str) -> str:
    """Return the secret of a client of the tests; no two clients have the same."""
    return f"{client_id}-secret-0123456789-abcdefghijklmnopqrstuvw"


@dataclass
class Sent:
    """What an authorization request sent, and its answer has to match."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str | None = field(default_factory=lambda: secrets.token_urlsafe(16))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    redirect_uri: str = ""
    max_age: int | None = None


class RelyingParty:
    """A client of the authorization server, and the browser of its user."""

    def __init__(
        self,
        new_connection: Callable[[], Connection],
        client: OAuthClient,
        issuer: str = "http://localhost:8000",
    ) -> None:
        self.client, self.issuer = client, issuer
        self.secret = secret_of(client.id)
        self.browser = FormBrowser(new_connection, issuer)
        self._new_connection = new_connection
        self.defaults: dict[str, Any] = {}
        """Parameters of all its authorization requests; None leaves one out."""
        self.sent = Sent()
        """The newest authorization request."""
        self.tokens: dict[str, Any] = {}
        """The newest token response."""

    # The authorization request

    def authorization_url(self, **parameters: Any) -> str:
        """Return the URL of a new authorization request; None leaves a parameter out."""
        return self.url_of(self.request(**parameters))

    def url_of(self, parameters: Mapping[str, Any]) -> str:
        """Return the URL of an authorization request with exactly these parameters."""
        return f"{self.issuer}/oauth2/authorize?{urlencode(parameters, doseq=True)}"

    def request(self, **parameters: Any) -> dict[str, Any]:
        """Return the parameters of a new authorization request with fresh secrets."""
        parameters = self.defaults | parameters
        self.sent = Sent(redirect_uri=parameters.get("redirect_uri", self.redirect_uri))
        self.sent.max_age = parameters.get("max_age")
        chosen = {
            "client_id": self.client.id,
            "response_type": "code",
            "redirect_uri": self.sent.redirect_uri,
            "scope": "openid profile email",
            "state": self.sent.state,
            "nonce": self.sent.nonce,
            "code_challenge": challenge(self.sent.verifier),
            "code_challenge_method": "S256",
            **parameters,
        }
        self.sent.nonce = chosen["nonce"]
        if chosen["code_challenge"] is None:
            self.sent.verifier, chosen["code_challenge_method"] = "", None
        return {name: value for name, value in chosen.items() if value is not None}

    @property
    def redirect_uri(self) -> str:
        """Return the first registered redirect URI."""
        return self.client.redirect_uris[0] if self.client.redirect_uris else ""

    def authorize(
        self, user: User | None = None, button: str = "accept", **parameters: Any
    ) -> dict[str, str]:
        """Send an authorization request, sign in if asked to, and return the checked answer."""
        page = self.start(user, button, **parameters)
        return self.read_answer(page)

    def start(self, user: User | None = None, button: str = "accept", **parameters: Any) -> Page:
        """Send an authorization request and go through its pages; return where they end."""
        page = self.browser.visit(self.authorization_url(**parameters))
        return self.browser.walk(page, entries(user), button) if user else page

    def read_answer(self, page: Page) -> dict[str, str]:
        """Return the parameters of an authorization response; fail if it is none of ours."""
        answer = answer_of(page, self.sent.redirect_uri)
        assert answer is not None, f"{self.browser.trail}\n{page.url}\n{page.text}"
        assert answer.get("state") == self.sent.state, answer
        assert answer.get("iss") == self.issuer, answer  # RFC 9207 section 2.4
        return answer

    # Tokens

    def sign_in(self, user: User, **parameters: Any) -> dict[str, Any]:
        """Authorize and exchange the code; return the token response with `claims` added."""
        answer = self.authorize(user, **parameters)
        assert "code" in answer, answer
        tokens = self.read_tokens(self.exchange(answer["code"]))
        if "claims" in tokens:
            assert tokens["claims"].get("nonce") == self.sent.nonce
        return tokens

    def exchange(self, code: str, **form: Any) -> TestResponse:
        """Exchange an authorization code; None leaves a parameter out."""
        return self.token(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.sent.redirect_uri,
                "code_verifier": self.sent.verifier,
                **form,
            }
        )

    def refresh(self, refresh_token: str, **form: Any) -> TestResponse:
        """Exchange a refresh token."""
        return self.token(**{"grant_type": "refresh_token", "refresh_token": refresh_token, **form})

    def token(self, **form: Any) -> TestResponse:
        """Send a request to the token endpoint."""
        return self.post("/oauth2/token", **form)

    def introspect(self, token: str, **form: Any) -> TestResponse:
        """Send a request to the introspection endpoint."""
        return self.post("/oauth2/introspect", token=token, **form)

    def revoke(self, token: str, **form: Any) -> TestResponse:
        """Send a request to the revocation endpoint."""
        return self.post("/oauth2/revoke", token=token, **form)

    def post(self, path: str, **form: Any) -> TestResponse:
        """Post a form with the client's authentication; None leaves a parameter out."""
        headers, credentials = self.authentication()
        fields = {name: value for name, value in {**credentials, **form}.items() if value}
        return self._new_connection().open(path, method="POST", data=fields, headers=headers)

    def post_without_credentials(self, path: str, **form: Any) -> TestResponse:
        """Post a form without the client's authentication."""
        return self._new_connection().open(path, method="POST", data=form)

    def authentication(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers and the form fields that authenticate the client."""
        method = self.client.authentication_method
        if method == "client_secret_basic":  # RFC 6749 section 2.3.1
            pair = f"{quote(self.client.id, safe='')}:{quote(self.secret, safe='')}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
        if method == "client_secret_post":
            return {}, {"client_id": self.client.id, "client_secret": self.secret}
        if method == "private_key_jwt":
            return {}, {
                "client_assertion": self.assertion(),
                "client_assertion_type": ASSERTION_TYPE,
            }
        return {}, {"client_id": self.client.id}

    def assertion(self, **claims: Any) -> str:
        """Return a new client assertion (RFC 7523 section 3)."""
        now, name = int(time.time()), self.client.id
        body = {"iss": name, "sub": name, "aud": self.issuer, "iat": now, "exp": now + 60}
        body |= {"jti": secrets.token_urlsafe(16), **claims}
        return jwt.encode({"alg": "ES256", "kid": "assertion"}, body, ASSERTION_KEY)

    def userinfo(self, access_token: str, method: str = "GET") -> TestResponse:
        """Request the claims of the user with an access token in the header."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return self._new_connection().open("/oauth2/userinfo", method=method, headers=headers)

    def get(self, path: str) -> TestResponse:
        """Request something without cookies."""
        return self._new_connection().open(path, method="GET")

    # Checks

    def read_tokens(self, response: TestResponse) -> dict[str, Any]:
        """Return a successful token response; `claims` has those of its checked ID token."""
        assert response.status_code == 200, response.text
        assert "no-store" in response.headers["Cache-Control"]  # RFC 6749 section 5.1
        tokens: dict[str, Any] = dict(response.get_json())
        assert tokens["token_type"].lower() == "bearer"
        if "id_token" in tokens:
            tokens["claims"] = self.read_id_token(tokens["id_token"], tokens["access_token"])
        self.tokens = tokens
        return tokens

    def read_id_token(self, id_token: str, access_token: str | None = None) -> dict[str, Any]:
        """Verify an ID token (OpenID Connect Core section 3.1.3.7) and return its claims."""
        keys = KeySet.import_key_set(self.get("/.well-known/jwks.json").get_json())
        algorithm = self.client.id_token_algorithm
        token = jwt.decode(id_token, keys, algorithms=[algorithm])
        claims: dict[str, Any] = token.claims
        assert token.header["kid"] in {key.kid for key in keys.keys}
        assert claims["iss"] == self.issuer
        assert claims["aud"] == self.client.id
        assert claims.get("azp", self.client.id) == self.client.id
        now = time.time()
        assert claims["iat"] - LEEWAY <= now < claims["exp"]
        assert claims.get("nonce", self.sent.nonce) == self.sent.nonce
        assert 0 < len(claims["sub"]) <= 255
        assert claims["sub"].isascii()
        if self.sent.max_age is not None:
            assert claims["auth_time"] >= now - int(self.sent.max_age) - LEEWAY
        if access_token and "at_hash" in claims:
            assert claims["at_hash"] == left_hash(access_token, algorithm)
        return claims


def challenge(verifier: str) -> str:
    """Return the S256 challenge of a code verifier (RFC 7636 section 4.2)."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def left_hash(token: str, algorithm: str) -> str:
    """Return the `at_hash` of an access token (OpenID Connect Core section 3.1.3.6)."""
    name = "sha512" if algorithm == "EdDSA" else f"sha{algorithm[2:]}"
    digest = hashlib.new(name, token.encode()).digest()
    return _base64url(digest[: len(digest) // 2])


def entries(user: User) -> Values:
    """Return what a user enters on the pages."""
    typed: dict[str, str | Callable[[], str]] = {
        "identifier": user.email,
        "password": user.password,
    }
    return typed | {"code": user.totp} if user.secret else typed


def answer_of(page: Page, redirect_uri: str) -> dict[str, str] | None:
    """Return the parameters of an authorization response in any response mode, or None."""
    for form in page.forms if page.response.status_code == 200 else ():
        if form.action == redirect_uri and form.method == "POST":
            return form.values()
    address, _, fragment = page.url.partition("#")
    if not _same_address(address, redirect_uri):
        return None
    return dict(parse_qsl(fragment or urlsplit(address).query, keep_blank_values=True))


def decode_unchecked(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the header and the claims of a JWT without verifying anything."""
    return tuple(_json(part) for part in token.split(".")[:2])


def _json(segment: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def _same_address(address: str, redirect_uri: str) -> bool:
    given, known = urlsplit(address), urlsplit(redirect_uri)
    return given[:3] == known[:3] and given.query.startswith(known.query)


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
