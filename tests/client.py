"""Test clients: JSON requests to the service, with bearer tokens or with cookies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import pyotp
from werkzeug.test import TestResponse

from tests.parallel import run_in_parallel

PASSWORD = "an unlikely phrase 42"


class Connection(Protocol):
    """Where requests are sent: a Flask test client, or a server process."""

    def open(self, path: str, **request: Any) -> TestResponse:
        """Send what werkzeug's EnvironBuilder describes and return the response."""
        ...


@dataclass
class User:
    """A user, with the secrets that a test needs to log in."""

    email: str
    password: str = PASSWORD
    username: str | None = None
    tokens: dict[str, Any] = field(default_factory=dict)
    """The token response of the last login."""
    secret: str = ""
    """The secret of the authenticator app, if there is one."""
    recovery_codes: list[str] = field(default_factory=list)

    def totp(self, steps: int = 0) -> str:
        """Return the TOTP code of now, or of so many time steps (30 s) from now."""
        return pyotp.TOTP(self.secret).at(int(time.time()) + 30 * steps)


class Client:
    """A client in body mode: it sends its bearer token, and keeps the cookies that it gets."""

    transport_form: ClassVar[dict[str, str]] = {}
    """The fields of a login form that select how tokens are returned."""

    def __init__(self, new_connection: Callable[[], Connection], bearer: str | None = None) -> None:
        self._new_connection = new_connection
        self._connection = new_connection()
        self._bearer = bearer
        self.registration_tokens: dict[str, str] = {}
        """The token of the newest registration, by e-mail address."""

    def as_(self, tokens: Mapping[str, Any] | str) -> Client:
        """Return a client that sends the access token of a token response, or this token."""
        bearer = tokens if isinstance(tokens, str) else tokens["access_token"]
        return Client(self._new_connection, bearer)

    def send(self, method: str, path: str, **request: Any) -> TestResponse:
        """Send a request with any method."""
        return self._send(self._connection, method, path, request)

    def get(self, path: str, **request: Any) -> TestResponse:
        """GET a path."""
        return self.send("GET", path, **request)

    def post(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        """POST JSON, or nothing."""
        return self.send("POST", path, json=json, **request)

    def patch(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        """PATCH with JSON."""
        return self.send("PATCH", path, json=json, **request)

    def put(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        """PUT JSON."""
        return self.send("PUT", path, json=json, **request)

    def delete(self, path: str, **request: Any) -> TestResponse:
        """DELETE a path."""
        return self.send("DELETE", path, **request)

    def in_parallel(
        self, number: int, path: str, json: Any = None, method: str = "POST", **request: Any
    ) -> list[TestResponse]:
        """Send the same JSON many times simultaneously, each over its own connection."""
        connections = [self._new_connection() for _ in range(number)]
        return run_in_parallel(
            *[
                partial(self._send, one, method, path, {"json": json, **request})
                for one in connections
            ]
        )

    def register(self, email: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        """Register; the e-mail address is not verified yet."""
        response = self.post("/auth/register", {"email": email, "password": password, **more})
        if response.status_code == 202:
            self.registration_tokens[email] = _json(response, 202)["registration_token"]
        return response

    def mailbox(self, to: str | None = None) -> list[dict[str, Any]]:
        """Return the e-mails and SMS that were sent, newest first; of all, or of one recipient."""
        response = self.get(
            "/dev/mailbox",
            query_string={"to": to} if to else {},
            headers={"Accept": "application/json"},
        )
        items: list[dict[str, Any]] = _json(response, 200)["items"]
        return items

    def verify(self, email: str) -> TestResponse:
        """Verify an e-mail address with the code of the newest message to it."""
        return self.verify_code(email, self.mailbox(to=email)[0]["variables"]["code"])

    def verify_code(self, email: str, code: str) -> TestResponse:
        """Verify with a code and this client's registration token, else the usual password."""
        token = self.registration_tokens.get(email)
        verifier = {"registration_token": token} if token else {"password": PASSWORD}
        return self.post("/auth/email/verify", {"email": email, "code": code, **verifier})

    def sign_up(self, user: User, **more: Any) -> User:
        """Register a user and verify the e-mail address."""
        if user.username:
            more["username"] = user.username
        _json(self.register(user.email, user.password, **more), 202)
        _json(self.verify(user.email), 200)
        return user

    def log_in(self, user: User, **more: Any) -> dict[str, Any]:
        """Log in with the password; return the token response, also kept as `user.tokens`."""
        form = {"identifier": user.email, "password": user.password, **self.transport_form, **more}
        user.tokens = self.read_tokens(self.post("/auth/login", form))
        return user.tokens

    def complete_mfa(self, user: User, challenge: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Complete a login with a TOTP code; the token response is also kept as `user.tokens`."""
        form = {"mfa_token": challenge["mfa_token"], "factor": "totp", "code": user.totp()}
        user.tokens = self.read_tokens(self.post("/auth/login/mfa", form | more))
        return user.tokens

    def enrol_totp(self, user: User, label: str = "Phone") -> dict[str, Any]:
        """Enrol TOTP for a user who is signed in; return the response to the confirmation.

        It uses the code of the previous time step, so that the current one can still be used.
        """
        mine = self.as_(user.tokens)
        form = {"kind": "totp", "label": label}
        factor = _json(mine.post("/auth/mfa/factors", form), 201)
        user.secret = factor["secret"]
        path = f"/auth/mfa/factors/{factor['id']}/confirm"
        response = mine.post(path, {"code": user.totp(-1)})
        if response.status_code == 401:  # a time step began before the code arrived
            response = mine.post(path, {"code": user.totp(-1)})
        confirmed: dict[str, Any] = _json(response, 200)
        user.recovery_codes = confirmed.get("recovery_codes") or user.recovery_codes
        return confirmed

    def refresh(self, tokens: Mapping[str, Any]) -> TestResponse:
        """Exchange the refresh token of a token response."""
        return self.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})

    def renew(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """Exchange the refresh token successfully and return the next token response."""
        return self.as_(tokens).read_tokens(self.refresh(tokens))

    def read_tokens(self, response: TestResponse) -> dict[str, Any]:
        """Return the token response, or the MFA challenge, of a successful login."""
        body: dict[str, Any] = _json(response, 200)
        return body

    def _send(
        self, connection: Connection, method: str, path: str, request: dict[str, Any]
    ) -> TestResponse:
        headers = dict(request.pop("headers", {}))
        if self._bearer is not None:
            headers.setdefault("Authorization", f"Bearer {self._bearer}")
        return connection.open(path, method=method, headers=headers, **request)


class CookieTokens(dict[str, Any]):
    """A token response in cookie mode, with the cookies that the browser has after it."""

    cookies: dict[str, str]


class CookieClient(Client):
    """A client in cookie mode: tokens in cookies, and the CSRF token with every write.

    Its connections must keep no cookies: it sends exactly those in `cookies`.
    """

    transport_form = {"transport": "cookie"}

    def __init__(
        self,
        new_connection: Callable[[], Connection],
        cookies: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(new_connection)
        self.cookies = dict(cookies or {})

    def as_(self, tokens: Mapping[str, Any] | str) -> CookieClient:
        """Return a client with the cookies of a token response."""
        assert isinstance(tokens, CookieTokens)
        return CookieClient(self._new_connection, tokens.cookies)

    def refresh(self, tokens: Mapping[str, Any]) -> TestResponse:
        """Exchange the refresh cookie."""
        return self.as_(tokens).post("/auth/refresh")

    def read_tokens(self, response: TestResponse) -> CookieTokens:
        """Return the token response with the cookies that the browser has after it."""
        tokens = CookieTokens(_json(response, 200))
        pairs = [text.partition(";")[0] for text in response.headers.getlist("Set-Cookie")]
        tokens.cookies = self.cookies | dict(pair.split("=", 1) for pair in pairs)
        return tokens

    def _send(
        self, connection: Connection, method: str, path: str, request: dict[str, Any]
    ) -> TestResponse:
        headers = dict(request.pop("headers", {}))
        if self.cookies:
            pairs = (f"{name}={value}" for name, value in self.cookies.items())
            headers.setdefault("Cookie", "; ".join(pairs))
        if method != "GET" and "__Host-csrf" in self.cookies:
            headers.setdefault("X-CSRF-Token", self.cookies["__Host-csrf"])
        sent = {name: value for name, value in headers.items() if value is not None}
        return super()._send(connection, method, path, {**request, "headers": sent})


def _json(response: TestResponse, status: int) -> Any:
    assert response.status_code == status, f"{response.status}: {response.text}"
    return response.json
