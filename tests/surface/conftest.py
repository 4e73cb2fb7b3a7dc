"""A valid form for every endpoint with a body, requests to every route, and database comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, select
from werkzeug.test import TestResponse

from gatehouse.database.session import Base, db
from tests.application_pool import ApplicationPool
from tests.client import PASSWORD, Client, User
from tests.conftest import environment
from tests.live_server import LiveServer
from tests.stores import SqliteStore
from tests.user_accounts import create_user

Endpoint = tuple[str, str]
"""Method and path."""

CREDENTIAL = {
    "id": "AAAA",
    "rawId": "AAAA",
    "type": "public-key",
    "response": {"clientDataJSON": "AAAA"},
}
SOME_ID = "01900000-0000-7000-8000-000000000000"
"""An id that no row has."""

REASON = {"reason": "asked for it"}

SERVICE_ACCOUNT = {
    "name": "deploy",
    "description": "Deploys.",
    "owner_id": SOME_ID,
    "enabled": True,
    "roles": [{"role": "support"}],
}
REGISTERED_CLIENT = {
    "name": "Example Shop",
    "authentication_method": "client_secret_basic",
    "jwks": {"keys": []},
    "redirect_uris": ["https://shop.example.com/callback"],
    "post_logout_redirect_uris": ["https://shop.example.com/signed-out"],
    "backchannel_logout_uri": "https://shop.example.com/logout",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_modes": ["query"],
    "scopes": ["openid"],
    "resources": ["https://api.example.com"],
    "consent": "once",
    "require_pkce": True,
    "subject_type": "public",
    "sector": "example.com",
    "id_token_algorithm": "RS256",
    "access_token_lifetime": 600,
    "refresh_token_lifetime": 86400,
    "grant_lifetime": 86400,
    "uri": "https://shop.example.com",
    "logo_uri": "https://shop.example.com/logo.svg",
    "terms_uri": "https://shop.example.com/terms",
    "privacy_uri": "https://shop.example.com/privacy",
    "service_account_id": SOME_ID,
    "enabled": True,
}
RESOURCE = {"name": "Orders", "scopes": {"orders:read": "See your orders."}}
HOOK = {
    "name": "crm",
    "url": "https://hooks.example.com/gatehouse",
    "events": ["user.created"],
    "on_failure": "deny",
    "timeout_ms": 300,
    "enabled": True,
}
FORMS: dict[Endpoint, dict[str, Any]] = {
    ("POST", "/auth/register"): {
        "email": "bob@example.com",
        "password": PASSWORD,
        "passkey": {
            "registration_token": "a token",
            "label": "My phone",
            "credential": CREDENTIAL,
        },
        "username": "bob",
        "phone": "+4915112345678",
        "name": "Bob",
        "locale": "de-AT",
        "attributes": {},
        "captcha": "an answer",
    },
    ("POST", "/auth/register/options"): {"email": "bob@example.com", "name": "Bob"},
    ("POST", "/auth/email/verify"): {
        "email": "bob@example.com",
        "code": "12345678",
        "registration_token": "a token",
        "token": "a token",
        "password": PASSWORD,
    },
    ("POST", "/auth/email/verify/code"): {"token": "a token"},
    ("POST", "/auth/invitation"): {"token": "a token", "password": PASSWORD},
    ("POST", "/auth/password/forgot"): {
        "email": "ada@example.com",
        "phone": "+4915112345678",
        "captcha": "an answer",
    },
    ("POST", "/auth/password/reset"): {
        "email": "ada@example.com",
        "phone": "+4915112345678",
        "code": "12345678",
        "token": "a token",
        "password": PASSWORD,
    },
    ("POST", "/auth/email/resend"): {"email": "bob@example.com"},
    ("POST", "/auth/email/change"): {"email": "bob@example.com"},
    ("POST", "/auth/email/undo"): {"token": "a token"},
    ("POST", "/auth/mfa/reset/cancel"): {"token": "a token"},
    ("POST", "/auth/me/restore"): {"token": "a token"},
    ("POST", "/auth/mfa/recovery"): {
        "email": "ada@example.com",
        "phone": "+4915112345678",
        "captcha": "an answer",
    },
    ("POST", "/auth/mfa/recovery/verify"): {
        "recovery_token": "a token",
        "code": "12345678",
        "password": PASSWORD,
        "recovery_code": "abcd-efgh-abcd-efgh",
    },
    ("POST", "/auth/phone"): {"phone": "+4915112345678"},
    ("POST", "/auth/phone/verify"): {"phone": "+4915112345678", "code": "123456"},
    ("POST", "/auth/login"): {
        "identifier": "bob@example.com",
        "password": PASSWORD,
        "transport": "body",
        "captcha": "an answer",
    },
    ("POST", "/auth/federation/complete"): {
        "federation_code": "a code",
        "code_verifier": "v" * 43,
        "transport": "body",
    },
    ("POST", "/auth/federation/{provider}/token"): {"id_token": "a token", "transport": "body"},
    ("POST", "/auth/identities"): {
        "provider": "acme",
        "return_to": "https://app.example.com/",
        "code_challenge": "c" * 43,
    },
    ("POST", "/auth/identities/complete"): {
        "federation_code": "a code",
        "code_verifier": "v" * 43,
    },
    ("POST", "/auth/refresh"): {"refresh_token": "a token"},
    ("POST", "/auth/logout"): {"scope": "local", "refresh_token": "a token"},
    ("PATCH", "/auth/me"): {
        "attributes": {},
        "name": "Bob",
        "username": "bob",
        "locale": "de-AT",
    },
    ("POST", "/auth/password/change"): {
        "current_password": PASSWORD,
        "password": "another unlikely phrase 43",
    },
    ("POST", "/auth/login/link"): {"email": "bob@example.com", "phone": "+4915112345678"},
    ("POST", "/auth/login/link/verify"): {
        "login_token": "a token",
        "token": "a token",
        "code": "12345678",
        "transport": "body",
    },
    ("POST", "/auth/login/link/code"): {"token": "a token"},
    ("POST", "/auth/login/mfa"): {
        "mfa_token": "a token",
        "factor": "totp",
        "factor_id": SOME_ID,
        "code": "123456",
        "credential": CREDENTIAL,
        "remember_device": True,
    },
    ("POST", "/auth/login/mfa/challenge"): {"mfa_token": "a token", "factor_id": SOME_ID},
    ("POST", "/auth/login/mfa/enrolment"): {
        "mfa_token": "a token",
        "kind": "totp",
        "label": "My phone",
    },
    ("POST", "/auth/login/mfa/enrolment/confirm"): {
        "mfa_token": "a token",
        "factor_id": SOME_ID,
        "code": "123456",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/mfa/factors"): {"kind": "totp", "label": "My phone"},
    ("POST", "/auth/mfa/factors/{factor_id}/confirm"): {
        "code": "123456",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/reauthenticate"): {
        "password": PASSWORD,
        "factor": "totp",
        "factor_id": SOME_ID,
        "code": "123456",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/reauthenticate/challenge"): {"factor_id": SOME_ID},
    ("POST", "/auth/passkeys/authentication/verify"): {
        "login_token": "a token",
        "transport": "body",
        "credential": CREDENTIAL,
    },
    ("POST", "/auth/passkeys/registration/verify"): {
        "label": "My phone",
        "credential": CREDENTIAL,
    },
    ("POST", "/admin/users"): {
        "attributes": {},
        "email": "bob@example.com",
        "username": "bob",
        "name": "Bob",
        "locale": "de-AT",
    },
    ("POST", "/admin/permissions"): {
        "name": "orders:read",
        "description": "Read orders.",
        "audience": "https://orders.example",
    },
    ("PATCH", "/admin/permissions/{name}"): {"description": "Read orders."},
    ("POST", "/admin/roles"): {
        "name": "clerk",
        "description": "A clerk.",
        "permissions": ["users:read"],
        "parents": ["support"],
    },
    ("PATCH", "/admin/roles/{name}"): {
        "description": "A clerk.",
        "permissions": ["users:read"],
        "parents": ["support"],
    },
    ("PUT", "/admin/profile-schema"): {
        "schema": {"type": "object", "properties": {"team": {"type": "string"}}}
    },
    ("PUT", "/admin/users/{user_id}/roles"): {"roles": [{"role": "support"}]},
    ("PATCH", "/admin/users/{user_id}"): {
        "attributes": {},
        "email": "bob@example.com",
        "username": "bob",
        "phone": "+4915112345678",
        "name": "Bob",
        "locale": "de-AT",
    },
    ("POST", "/admin/users/{user_id}/disable"): {
        "reason": "left the company",
        "until": "2126-12-24T18:30:00Z",
    },
    ("POST", "/admin/users/{user_id}/enable"): REASON,
    ("POST", "/admin/users/{user_id}/unlock"): REASON,
    ("POST", "/admin/users/{user_id}/verify-email"): REASON,
    ("POST", "/admin/users/{user_id}/reset-password"): REASON,
    ("POST", "/admin/users/{user_id}/reset-mfa"): REASON,
    ("POST", "/admin/users/{user_id}/revoke-sessions"): REASON | {"session_id": SOME_ID},
    ("POST", "/admin/users/{user_id}/impersonate"): REASON,
    ("POST", "/admin/users/bulk"): {
        "reason": "a new colleague",
        "operation": "assign-role",
        "users": [{"id": SOME_ID}],
        "until": "2126-12-24T18:30:00Z",
        "role": "support",
        "dry_run": True,
    },
    ("POST", "/admin/service-accounts"): SERVICE_ACCOUNT,
    ("PATCH", "/admin/service-accounts/{account_id}"): SERVICE_ACCOUNT,
    ("POST", "/admin/service-accounts/{account_id}/keys"): {
        "name": "CI runner",
        "permissions": ["users:read"],
        "networks": ["192.0.2.0/24"],
        "expires_at": "2126-12-24T18:30:00Z",
    },
    ("POST", "/admin/service-accounts/{account_id}/keys/{key_id}/rotate"): {
        "expires_at": "2126-12-24T18:30:00Z",
        "overlap_minutes": 60,
    },
    ("POST", "/admin/clients"): {"client_id": "shop", "kind": "web", **REGISTERED_CLIENT},
    ("PATCH", "/admin/clients/{client_id}"): REGISTERED_CLIENT,
    ("POST", "/admin/clients/{client_id}/secrets"): {"expires_at": "2126-12-24T18:30:00Z"},
    ("POST", "/admin/clients/{client_id}/secrets/{secret_id}/rotate"): {"overlap_minutes": 60},
    ("POST", "/admin/resources"): {"audience": "https://api.example.com", **RESOURCE},
    ("PATCH", "/admin/resources/{resource_id}"): RESOURCE,
    ("POST", "/admin/hooks"): {"kind": "webhook", **HOOK},
    ("PATCH", "/admin/hooks/{hook_id}"): HOOK,
    ("POST", "/admin/hooks/{hook_id}/rotate-secret"): {"overlap_minutes": 60},
    ("POST", "/admin/hooks/{hook_id}/replay"): {
        "event_id": SOME_ID,
        "since": "2126-12-24T18:30:00Z",
    },
}
"""Every operation with a body, and a form with all of its fields."""


TABLES = Base.metadata.sorted_tables


def read_tables(app: Flask) -> dict[str, list[Row[Any]]]:
    """Return every row of every table, oldest first."""
    with app.app_context(), db.engine.connect() as connection:
        queries = {table.name: select(table).order_by(*table.primary_key) for table in TABLES}
        return {name: list(connection.execute(query)) for name, query in queries.items()}


def read_problem(response: TestResponse) -> tuple[int, str]:
    """Check that a response is a problem document; return its status and code."""
    problem = response.json
    assert response.mimetype == "application/problem+json"
    assert problem.keys() >= {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert "Traceback" not in response.text
    return response.status_code, problem["code"]


def unexpected_problems(
    expected: tuple[int, str], responses: Mapping[Any, TestResponse]
) -> dict[Any, tuple[int, str]]:
    """Return status and code of the responses that are not as expected, by request."""
    problems = {sent: read_problem(response) for sent, response in responses.items()}
    return {sent: problem for sent, problem in problems.items() if problem != expected}


LAST_PATH = "/auth/logout"
"""Requested last: it revokes the bearer token."""

SendInvalid = Callable[..., TestResponse]


@pytest.fixture
def ada(sign_in_as: Callable[..., Client]) -> Client:
    """Return the client of an administrator who is signed in."""
    return sign_in_as("admin", email="ada@example.com")


@pytest.fixture
def send_invalid(app: Flask, ada: Client) -> Iterator[SendInvalid]:
    """Send an invalid body to an endpoint, logged in; fail if the database changes in the test."""
    before = read_tables(app)

    def send_invalid(
        endpoint: Endpoint, data: bytes | str, content_type: str | None = None
    ) -> TestResponse:
        names = ("factor_id", "user_id", "account_id", "key_id", "hook_id")
        ids = dict.fromkeys(
            (*names, "secret_id", "resource_id", "grant_id", "identity_id"), SOME_ID
        )
        path = endpoint[1].format(**ids, name="clerk", client_id="shop", provider="acme")
        media_type = content_type or "application/json"
        return ada.send(endpoint[0], path, data=data, content_type=media_type)

    yield send_invalid
    assert read_tables(app) == before


@pytest.fixture
def access_token(client: Client, make_user: Callable[..., User]) -> str:
    """Return the access token of a logged-in user."""
    token: str = client.log_in(make_user())["access_token"]
    return token


def send_request(
    app: Flask, method: str, path: str, bearer: str | None = None, **headers: str
) -> TestResponse:
    """Send a request without a body; read the whole response."""
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    with app.test_client().open(path, method=method, headers=headers) as response:
        response.get_data()
        return response


def request_every_route(
    app: Flask, bearer: str | None = None
) -> Iterator[tuple[str, TestResponse]]:
    """Request every route with every method; yield `METHOD path` and the response."""
    ids = ("session_id", "request_id", "factor_id", "device_id", "message_id", "user_id")
    ids += ("account_id", "key_id", "hook_id", "secret_id", "resource_id", "grant_id")
    ids += ("identity_id",)
    sample = {
        **dict.fromkeys(ids, SOME_ID),
        "filename": "pages.css",
        "number": "0",
        "picture": "logo",
        "name": "clerk",
        "client_id": "shop",
        "provider": "acme",
        "_rest": "more",
    }
    with app.test_request_context():
        rules = [rule for rule in app.url_map.iter_rules() if "broken" not in rule.rule]
        paths = {rule.build(sample, append_unknown=False)[1] for rule in rules}
    for path in sorted({*paths, "/nowhere"}, key=lambda path: (path == LAST_PATH, path)):
        for method in ("OPTIONS", "GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "POST"):
            yield f"{method} {path}", send_request(app, method, path, bearer)


@pytest.fixture(scope="session")
def responses(sqlite_store: SqliteStore) -> dict[str, list[tuple[str, TestResponse]]]:
    """The responses of every route to every method, without a token and with one."""
    with (
        sqlite_store.fresh() as url,
        closing(ApplicationPool()) as applications,
        applications.acquire(environment(url)) as app,
    ):
        user = create_user(app, User("member@example.com"))
        token = Client(app.test_client).log_in(user)["access_token"]
        return {
            "anonymous": [*request_every_route(app)],
            "authenticated": [*request_every_route(app, token)],
        }


@pytest.fixture(scope="module")
def server(
    sqlite_store: SqliteStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """Yield one server for all tests of a file: they change nothing."""
    with sqlite_store.fresh() as url:
        environ = environment(url)
        del environ["GATEHOUSE_PUBLIC_URL"]
        server = LiveServer(environ, tmp_path_factory.mktemp("server") / "server.log")
        try:
            server.start()
            yield server
        finally:
            server.kill()
