"""What a person with a client does, in sentences: register, verify, log in, ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import pyotp
from werkzeug.test import TestResponse

PASSWORD = "an unlikely phrase 42"


class Door(Protocol):
    """Where requests go in: a Flask test client, or a server process."""

    def open(self, path: str, **request: Any) -> TestResponse:
        """Send what werkzeug's EnvironBuilder describes and return the answer."""
        ...


@dataclass
class User:
    """A person with an account."""

    email: str
    password: str = PASSWORD
    username: str | None = None
    tokens: dict[str, Any] = field(default_factory=dict)
    """The TokenAnswer of the last log-in."""
    secret: str = ""
    """What their authenticator app has, once they have one."""
    recovery_codes: list[str] = field(default_factory=list)

    def totp(self, steps: int = 0) -> str:
        """Return what the app shows now, or so many steps of thirty seconds from now."""
        return pyotp.TOTP(self.secret).at(int(time.time()) + 30 * steps)


class Client:
    """Speaks JSON to the service, with the bearer token it was given and the cookies it got."""

    by: ClassVar[dict[str, str]] = {}
    """What a form says that opens a session: how its tokens shall travel."""

    def __init__(self, new_door: Callable[[], Door], bearer: str | None = None) -> None:
        self._new_door = new_door
        self._door = new_door()
        self._bearer = bearer

    def as_(self, tokens: Mapping[str, Any] | str) -> Client:
        """Return a client that sends the access token of a TokenAnswer, or a bare token."""
        bearer = tokens if isinstance(tokens, str) else tokens["access_token"]
        return Client(self._new_door, bearer)

    def get(self, path: str, **request: Any) -> TestResponse:
        """GET a path."""
        return self._send(self._door, "GET", path, request)

    def post(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        """POST JSON, or nothing."""
        return self._send(self._door, "POST", path, {"json": json, **request})

    def patch(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        """PATCH with JSON."""
        return self._send(self._door, "PATCH", path, {"json": json, **request})

    def put(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        """PUT JSON."""
        return self._send(self._door, "PUT", path, {"json": json, **request})

    def delete(self, path: str, **request: Any) -> TestResponse:
        """DELETE a path."""
        return self._send(self._door, "DELETE", path, request)

    def in_parallel(self, number: int, path: str, json: Any = None) -> list[TestResponse]:
        """POST the same thing many times at the same instant; answers in the order of senders."""
        start = threading.Barrier(number)

        def send(door: Door) -> TestResponse:
            start.wait(timeout=10)
            return self._send(door, "POST", path, {"json": json})

        with ThreadPoolExecutor(number) as threads:
            return list(threads.map(send, [self._new_door() for _ in range(number)]))

    def register(self, email: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        """Ask for an account."""
        return self.post("/auth/register", {"email": email, "password": password, **more})

    def mailbox(self, to: str | None = None) -> list[dict[str, Any]]:
        """Return what was mailed and texted, newest first, perhaps to one address only."""
        answer = self.get(
            "/dev/mailbox",
            query_string={"to": to} if to else {},
            headers={"Accept": "application/json"},
        )
        items: list[dict[str, Any]] = _json(answer, 200)["items"]
        return items

    def verify(self, email: str) -> TestResponse:
        """Prove an address with the code in the newest mail to it."""
        code = self.mailbox(to=email)[0]["variables"]["code"]
        return self.post("/auth/email/verify", {"email": email, "code": code})

    def log_in(self, user: User, **more: Any) -> dict[str, Any]:
        """Log in with the password; the answer is also kept as the user's tokens."""
        form = {"identifier": user.email, "password": user.password, **self.by, **more}
        user.tokens = self.held(self.post("/auth/login", form))
        return user.tokens

    def enrol_totp(self, user: User, label: str = "Phone") -> dict[str, Any]:
        """Give a person, who is signed in, an authenticator app; return the confirmation.

        The code of the step before this one is used up by it; that of this one is not.
        """
        mine = self.as_(user.tokens)
        form = {"kind": "totp", "label": label}
        factor = _json(mine.post("/auth/mfa/factors", form), 201)
        user.secret = factor["secret"]
        path = f"/auth/mfa/factors/{factor['id']}/confirm"
        answer = mine.post(path, {"code": user.totp(-1)})
        if answer.status_code == 401:  # a step began between making the code and sending it
            answer = mine.post(path, {"code": user.totp(-1)})
        confirmed: dict[str, Any] = _json(answer, 200)
        user.recovery_codes = confirmed.get("recovery_codes") or user.recovery_codes
        return confirmed

    def second_step(self, user: User, question: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Finish a login with the app's code; the answer is also kept as the user's tokens."""
        form = {"mfa_token": question["mfa_token"], "factor": "totp", "code": user.totp()}
        user.tokens = self.held(self.post("/auth/login/mfa", form | more))
        return user.tokens

    def refresh(self, tokens: Mapping[str, Any]) -> TestResponse:
        """Exchange the refresh token of a TokenAnswer."""
        return self.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})

    def renew(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """Exchange the refresh token of a TokenAnswer for the next TokenAnswer."""
        return self.as_(tokens).held(self.refresh(tokens))

    def held(self, answer: TestResponse) -> dict[str, Any]:
        """Return the TokenAnswer, or the question, of a good answer."""
        told: dict[str, Any] = _json(answer, 200)
        return told

    def sign_up(self, user: User, **more: Any) -> User:
        """Register a person and prove their address."""
        if user.username:
            more["username"] = user.username
        _json(self.register(user.email, user.password, **more), 202)
        _json(self.verify(user.email), 200)
        return user

    def _send(self, door: Door, method: str, path: str, request: dict[str, Any]) -> TestResponse:
        headers = dict(request.pop("headers", {}))
        if self._bearer is not None:
            headers.setdefault("Authorization", f"Bearer {self._bearer}")
        return door.open(path, method=method, headers=headers, **request)


class Held(dict[str, Any]):
    """A TokenAnswer whose tokens are in cookies: those that the browser has from then on."""

    cookies: dict[str, str]


class CookieClient(Client):
    """The same person with a browser: tokens in cookies, and the CSRF token with every write.

    Its doors must keep no cookies of their own: each client sends exactly those that it holds.
    """

    by = {"transport": "cookie"}

    def __init__(
        self, new_door: Callable[[], Door], cookies: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(new_door)
        self.cookies = dict(cookies or {})

    def as_(self, tokens: Mapping[str, Any] | str) -> CookieClient:
        """Return a browser that has the cookies of a TokenAnswer."""
        assert isinstance(tokens, Held)
        return CookieClient(self._new_door, tokens.cookies)

    def refresh(self, tokens: Mapping[str, Any]) -> TestResponse:
        """Exchange the refresh cookie."""
        return self.as_(tokens).post("/auth/refresh")

    def held(self, answer: TestResponse) -> Held:
        """Return a TokenAnswer with the cookies that the browser has after it."""
        held = Held(_json(answer, 200))
        pairs = [text.partition(";")[0] for text in answer.headers.getlist("Set-Cookie")]
        held.cookies = self.cookies | dict(pair.split("=", 1) for pair in pairs)
        return held

    def _send(self, door: Door, method: str, path: str, request: dict[str, Any]) -> TestResponse:
        headers = dict(request.pop("headers", {}))
        if self.cookies:
            pairs = (f"{name}={value}" for name, value in self.cookies.items())
            headers.setdefault("Cookie", "; ".join(pairs))
        if method != "GET" and "__Host-csrf" in self.cookies:
            headers.setdefault("X-CSRF-Token", self.cookies["__Host-csrf"])
        sent = {name: value for name, value in headers.items() if value is not None}
        return super()._send(door, method, path, {**request, "headers": sent})


def _json(answer: TestResponse, status: int) -> Any:
    assert answer.status_code == status, f"{answer.status}: {answer.text}"
    return answer.json
