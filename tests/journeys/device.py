"""A user's device: an app in body mode, or a browser in cookie mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http.cookies import SimpleCookie
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.client import Client, CookieClient, User
from tests.mfa.authenticator import Authenticator

CHOOSES_TRANSPORT = {
    "/auth/login",
    "/auth/login/link/verify",
    "/auth/passkeys/authentication/verify",
}
"""The routes whose form selects how tokens are returned."""


def outcome(response: TestResponse) -> tuple[int, str]:
    """Return the status, with the error code or else the `status` of the body."""
    body = response.json if response.data else {}
    return response.status_code, body.get("code", body.get("status", ""))


class Device:
    """It keeps the tokens that it gets, and sends them with every request, as a real one does."""

    client: Client
    ip_address = "127.0.0.1"

    def send(self, method: str, path: str, json: Any = None, **request: Any) -> TestResponse:
        """Send a request with the tokens of this device, and keep those of the response."""
        raise NotImplementedError

    def refresh(self) -> TestResponse:
        """Exchange the refresh token."""
        raise NotImplementedError

    def duplicate(self) -> Device:
        """Return a device with the same tokens: another tab, or a thief's."""
        raise NotImplementedError

    def _sender(self) -> dict[str, Any]:
        return {"environ_overrides": {"REMOTE_ADDR": self.ip_address}}

    def get(self, path: str, **request: Any) -> TestResponse:
        """GET a path."""
        return self.send("GET", path, **request)

    def post(self, path: str, **form: Any) -> TestResponse:
        """POST a form as JSON."""
        if path in CHOOSES_TRANSPORT:
            form = {**self.client.transport_form, **form}
        return self.send("POST", path, json=form or None)

    def patch(self, path: str, **form: Any) -> TestResponse:
        """PATCH with a form as JSON."""
        return self.send("PATCH", path, json=form)

    def delete(self, path: str) -> TestResponse:
        """DELETE a path."""
        return self.send("DELETE", path)

    def open_page(self, link: str) -> TestResponse:
        """Open the page of a link; its fragment, the token, is not sent."""
        return self.get(link.partition("#")[0].removeprefix("http://localhost:8000"))

    def log_in(self, user: User, identifier: str = "") -> TestResponse:
        """Log in with the password."""
        form = {"identifier": identifier or user.email, "password": user.password}
        return self.post("/auth/login", **form)

    def log_in_with_totp(self, user: User, **more: Any) -> TestResponse:
        """Log in with the password and a TOTP code; each works once, so 30 seconds must pass."""
        form = {"mfa_token": self.log_in(user).json["mfa_token"], "code": user.totp()}
        return self.post("/auth/login/mfa", factor="totp", **form, **more)

    def log_in_with_passkey(self, authenticator: Authenticator) -> TestResponse:
        """Log in with a passkey alone."""
        options = self.post("/auth/passkeys/authentication/options").json
        form = {"login_token": options["login_token"]}
        form["credential"] = authenticator.get(options["public_key"])
        return self.post("/auth/passkeys/authentication/verify", **form)

    def log_out(self, scope: str = "local") -> TestResponse:
        """Log out this session, the others or all."""
        return self.post("/auth/logout", scope=scope)

    def enrol(self, kind: str, respond: Callable[[Any], Mapping[str, Any]]) -> TestResponse:
        """Enrol a second factor; `respond` turns the factor into the form that confirms it."""
        started = self.post("/auth/mfa/factors", kind=kind)
        assert started.status_code == 201, started.text
        path = f"/auth/mfa/factors/{started.json['id']}/confirm"
        return self.post(path, **respond(started.json))

    def enrol_totp(self, user: User) -> TestResponse:
        """Enrol TOTP with the code of the previous time step; the current one is still unused."""
        factor = self.post("/auth/mfa/factors", kind="totp").json
        user.secret = factor["secret"]
        path = f"/auth/mfa/factors/{factor['id']}/confirm"
        confirmed = self.post(path, code=user.totp(-1))
        if confirmed.status_code == 401:  # a time step began before the code arrived
            confirmed = self.post(path, code=user.totp(-1))
        user.recovery_codes = confirmed.json.get("recovery_codes", user.recovery_codes)
        return confirmed

    @property
    def is_signed_in(self) -> bool:
        """Whether the access token is accepted."""
        return self.get("/auth/me").status_code == 200

    @property
    def me(self) -> dict[str, Any]:
        """The profile of the user who is signed in."""
        response = self.get("/auth/me")
        assert response.status_code == 200, response.text
        profile: dict[str, Any] = response.json
        return profile

    @property
    def session(self) -> dict[str, Any]:
        """The current session, as the list of sessions shows it."""
        items = self.get("/auth/sessions").json["items"]
        [current] = [item for item in items if item["current"]]
        return dict(current)


class App(Device):
    """A device in body mode."""

    def __init__(self, app: Flask, tokens: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.client = Client(app.test_client)
        self.tokens = dict(tokens or {})

    def duplicate(self) -> Device:
        """Copy the tokens."""
        return App(self.app, self.tokens)

    def send(self, method: str, path: str, json: Any = None, **request: Any) -> TestResponse:
        """Send the access token and the device token; keep the tokens of the body."""
        headers = {}
        if "access_token" in self.tokens and path != "/auth/refresh":
            headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        if "device_token" in self.tokens:
            headers["X-Device-Token"] = self.tokens["device_token"]
        request = {**request, **self._sender(), "headers": headers}
        response = self.client.send(method, path, json=json, **request)
        assert not response.headers.getlist("Set-Cookie")
        if response.status_code == 200 and response.is_json:
            names = response.json.keys() & {"access_token", "refresh_token", "device_token"}
            self.tokens |= {name: response.json[name] for name in names}
        if path == "/auth/logout" and (json or {}).get("scope") != "others":
            self.tokens.pop("access_token", None)
        return response

    def refresh(self) -> TestResponse:
        """Send the refresh token in the body."""
        return self.post("/auth/refresh", refresh_token=self.tokens["refresh_token"])


class Browser(Device):
    """A device in cookie mode."""

    def __init__(self, app: Flask, cookies: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.client: CookieClient = CookieClient(
            partial(app.test_client, use_cookies=False), cookies
        )

    def duplicate(self) -> Device:
        """Copy the cookies."""
        return Browser(self.app, self.client.cookies)

    def send(self, method: str, path: str, json: Any = None, **request: Any) -> TestResponse:
        """Send the cookies and the CSRF token; keep and delete cookies as the response says."""
        response = self.client.send(method, path, json=json, **request, **self._sender())
        for header in response.headers.getlist("Set-Cookie"):
            [(name, cookie)] = SimpleCookie(header).items()
            if cookie["max-age"] == "0":
                self.client.cookies.pop(name, None)
            else:
                self.client.cookies[name] = cookie.value
        if response.data and response.is_json:
            assert not {"access_token", "refresh_token", "device_token"} & response.json.keys()
        return response

    def refresh(self) -> TestResponse:
        """Send the refresh cookie."""
        return self.post("/auth/refresh")
