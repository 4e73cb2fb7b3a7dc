"""A relying party that keeps every message: code flow with PKCE, userinfo, refresh, logout."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from gatehouse.cli.client_trial.id_token_checks import Expected, check_id_token, decode_part
from gatehouse.cli.client_trial.messages import Message, field_lines, json_lines
from gatehouse.core import crypto
from gatehouse.net import http_client
from gatehouse.net.http_client import HttpRequest, HttpResponse, OutboundRequestFailed

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


class TrialFailed(Exception):
    """The flow stopped here; the message says what is wrong."""


@dataclass(frozen=True)
class TriedClient:
    """The client that is tried, and where its answers arrive."""

    client_id: str
    authentication_method: str
    secret: str
    scope: str
    redirect_uri: str
    post_logout_redirect_uri: str | None


class TrialRelyingParty:
    """One client of one provider; it shows each message that it sends or receives."""

    def __init__(self, issuer: str, client: TriedClient, show: Callable[[Message], None]) -> None:
        self.issuer, self.client = issuer, client
        self.messages: list[Message] = []
        self.tokens: dict[str, Any] = {}
        self._show = show
        self._metadata: dict[str, Any] = {}
        self._state = self._nonce = self._verifier = ""

    def note(self, title: str, lines: tuple[str, ...]) -> None:
        """Keep and show a message."""
        message = Message(title, lines)
        self.messages.append(message)
        self._show(message)

    def start(self) -> str:
        """Begin a sign-in; return the URL of the authorization request."""
        self.messages.clear()
        self.tokens = {}
        self._read_metadata()
        self._state, self._nonce = crypto.random_token(), crypto.random_token()
        self._verifier = crypto.random_token()
        parameters = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scope,
            "state": self._state,
            "nonce": self._nonce,
            "code_challenge": _challenge(self._verifier),
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        self.note("Authorization request", (f"GET {endpoint}", *field_lines(parameters)))
        return f"{endpoint}?{urlencode(parameters)}"

    def finish(self, answer: Mapping[str, str]) -> None:
        """Check the authorization response, exchange its code and show what the tokens say.

        Raises:
            TrialFailed: a check failed, or the provider rejected a request.
        """
        self.note("Authorization response", field_lines(answer))
        self._require(answer.get("state") == self._state, "`state` is not the one that was sent.")
        self._require(answer.get("iss") == self.issuer, "`iss` is not the issuer (RFC 9207).")
        self._require("code" in answer, f"The provider answered `{answer.get('error')}`.")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": self._verifier,
        }
        self.tokens = self._token("Token", form)
        if "id_token" in self.tokens:
            self._check_id_token()
            self._read_userinfo()

    def refresh(self) -> None:
        """Exchange the refresh token.

        Raises:
            TrialFailed: there is none, or the provider rejected it.
        """
        self._require("refresh_token" in self.tokens, "The client got no refresh token.")
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        self.tokens = {**self.tokens, **self._token("Refresh", form)}

    def log_out(self) -> str:
        """Begin the logout; return the URL of the logout request.

        Raises:
            TrialFailed: there is no ID token yet.
        """
        self._require("id_token" in self.tokens, "There is no ID token: sign in first.")
        parameters = {"id_token_hint": self.tokens["id_token"], "state": self._state}
        if self.client.post_logout_redirect_uri:
            parameters["post_logout_redirect_uri"] = self.client.post_logout_redirect_uri
        endpoint = self._endpoint("end_session_endpoint")
        self.note("Logout request", (f"GET {endpoint}", *field_lines(parameters)))
        self.tokens = {}
        return f"{endpoint}?{urlencode(parameters)}"

    def finish_logout(self, answer: Mapping[str, str]) -> None:
        """Check the answer to the logout request.

        Raises:
            TrialFailed: the answer is to another request.
        """
        self.note("Logout response", field_lines(answer))
        self._require(answer.get("state") == self._state, "`state` is not the one that was sent.")

    def _read_metadata(self) -> None:
        url = f"{self.issuer}/.well-known/openid-configuration"
        self._metadata = self._json(HttpRequest("GET", url))
        shown = {name: self._metadata.get(name) for name in ("issuer", *ENDPOINTS)}
        self.note("Metadata of the provider", (f"GET {url}", *json_lines(shown)))
        self._require(
            self._metadata.get("issuer") == self.issuer, "The metadata names another issuer."
        )

    def _endpoint(self, name: str) -> str:
        self._require(name in self._metadata, f"The metadata names no `{name}`.")
        return str(self._metadata[name])

    def _token(self, title: str, form: dict[str, str]) -> dict[str, Any]:
        headers, credentials = self._authentication()
        fields, endpoint = {**form, **credentials}, self._endpoint("token_endpoint")
        shown = [f"POST {endpoint}", *(f"{name}: Basic ..." for name in headers)]
        self.note(f"{title} request", (*shown, *field_lines(fields)))
        body = urlencode(fields).encode()
        response = self._send(HttpRequest("POST", endpoint, FORM | headers, body))
        return self._read(f"{title} response", response)

    def _authentication(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers and the fields that authenticate the client."""
        client = self.client
        if client.authentication_method == "client_secret_basic":  # RFC 6749 section 2.3.1
            pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
            encoded = base64.b64encode(pair.encode()).decode()
            return {"Authorization": f"Basic {encoded}"}, {}
        if client.authentication_method == "client_secret_post":
            return {}, {"client_id": client.client_id, "client_secret": client.secret}
        return {}, {"client_id": client.client_id}

    def _check_id_token(self) -> None:
        token = self.tokens["id_token"]
        jwks = self._json(HttpRequest("GET", self._endpoint("jwks_uri")))
        expected = Expected(
            self.issuer, self.client.client_id, self._nonce, self.tokens["access_token"]
        )
        try:
            header, claims = decode_part(token, 0), decode_part(token, 1)
        except ValueError:
            raise TrialFailed("The ID token is no JWT.") from None
        self.note("ID token", (*json_lines(header), *json_lines(claims)))
        checks = check_id_token(token, jwks, expected)
        self.note("Checks of the ID token", tuple(str(check) for check in checks))
        self._require(all(check.ok for check in checks), "The ID token must not be accepted.")

    def _read_userinfo(self) -> None:
        endpoint = self._endpoint("userinfo_endpoint")
        self.note("Userinfo request", (f"GET {endpoint}", "Authorization: Bearer ..."))
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        claims = self._read("Userinfo response", self._send(HttpRequest("GET", endpoint, headers)))
        subject = decode_part(self.tokens["id_token"], 1).get("sub")
        self._require(claims.get("sub") == subject, "`sub` differs from that of the ID token.")

    def _read(self, title: str, response: HttpResponse) -> dict[str, Any]:
        """Show a JSON response and return its body.

        Raises:
            TrialFailed: it is an error, or no JSON object.
        """
        body = _parse(response.body)
        self.note(title, (f"HTTP {response.status}", *json_lines(body)))
        self._require(response.status == 200, f"The provider answered {body.get('error')}.")
        return body

    def _json(self, request: HttpRequest) -> dict[str, Any]:
        response = self._send(request)
        self._require(response.status == 200, f"{request.url} answered {response.status}.")
        return _parse(response.body)

    def _send(self, request: HttpRequest) -> HttpResponse:
        try:
            return http_client.send_request(request)
        except OutboundRequestFailed as problem:
            raise TrialFailed(f"{problem} Is the service running at {self.issuer}?") from None

    def _require(self, condition: bool, otherwise: str) -> None:
        """Stop the flow unless a condition holds.

        Raises:
            TrialFailed: it does not hold.
        """
        if not condition:
            self.note("Stopped", (otherwise,))
            raise TrialFailed(otherwise)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise TrialFailed("The provider's answer is no JSON object.")
    return parsed


def _challenge(verifier: str) -> str:
    """Return the S256 challenge of a code verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
