"""Fixtures: two OpenID providers, an application that declares them, and browsers."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.federation import registry
from tests.conftest import environment, marked_settings
from tests.federation.openid_provider import SECRET, OpenIdProvider, running_provider

VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
RETURN_TO = "http://localhost:8000/after"
FILE = """
[acme]
kind = "oidc"
label = "Acme"
issuer = "{first}"
client_id = "gatehouse"
native_client_ids = ["app"]
trusted_email_domains = ["example.com"]
mfa_amr = ["mfa"]

[other]
kind = "oidc"
issuer = "{second}"
client_id = "gatehouse"
"""


@pytest.fixture(scope="session")
def running_providers() -> Iterator[tuple[OpenIdProvider, OpenIdProvider]]:
    with running_provider() as first, running_provider() as second:
        yield first, second


@pytest.fixture
def op(running_providers) -> OpenIdProvider:
    """The provider `acme`, which the operator trusts for addresses at example.com."""
    running_providers[0].reset()
    return running_providers[0]


@pytest.fixture
def other_op(running_providers) -> OpenIdProvider:
    """The provider `other`, which is not trusted for any address."""
    running_providers[1].reset()
    return running_providers[1]


@pytest.fixture(scope="session")
def providers_file(running_providers, tmp_path_factory) -> Path:
    first, second = running_providers
    path = tmp_path_factory.mktemp("providers") / "providers.toml"
    path.write_text(FILE.format(first=first.issuer, second=second.issuer))
    return path


@pytest.fixture
def settings_environment(request, store, providers_file) -> dict[str, str]:
    declared = {
        "GATEHOUSE_PROVIDERS": str(providers_file),
        "GATEHOUSE_PROVIDER_SECRETS": f"acme={SECRET},other={SECRET}",
        "GATEHOUSE_EGRESS_ALLOWLIST": "127.0.0.0/8",
    }
    merged = environment(store) | declared | marked_settings(request)
    return {name: value for name, value in merged.items() if value is not None}


@pytest.fixture
def app(app: Flask) -> Flask:
    with app.app_context():
        registry.set_up(app)  # forget what earlier tests have learnt of the providers
    return app


@dataclass
class Browser:
    """A browser: it keeps cookies, and follows no redirect by itself."""

    app: Flask
    connection: Any = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.app.test_client()

    def begin(self, name: str = "acme", **query: str) -> str:
        """Begin a sign-in; return the address at the provider."""
        response = self.get(f"/auth/federation/{name}", **query)
        assert response.status_code == 303, response.text
        return response.headers["Location"]

    def get(self, path: str, **query: str) -> TestResponse:
        return self.connection.get(
            f"{path}?{urlencode(query)}" if query else path, base_url="https://localhost:8000"
        )

    def post(self, path: str, **request: Any) -> TestResponse:
        return self.connection.post(path, base_url="https://localhost:8000", **request)

    def come_back(self, answer: dict[str, str], name: str = "acme") -> TestResponse:
        """Bring the answer of a provider."""
        return self.get(f"/auth/federation/{name}/callback", **answer)

    def sign_in(self, op: OpenIdProvider, name: str = "acme", **query: str) -> TestResponse:
        """Sign in with a provider on our pages; return the answer to the callback."""
        return self.come_back(op.approve(self.begin(name, **query)), name)

    def get_code(self, op: OpenIdProvider, name: str = "acme", transport: str = "body") -> str:
        """Sign in for a front end; return the code that it gets."""
        query = {"return_to": RETURN_TO, "code_challenge": CHALLENGE, "transport": transport}
        response = self.sign_in(op, name, **query)
        assert response.status_code == 303, response.text
        address = response.headers["Location"]
        assert address.startswith(f"{RETURN_TO}?"), address
        return dict(parse_qsl(urlsplit(address).query)).get("federation_code", address)

    def complete(self, code: str, **more: str) -> TestResponse:
        """Exchange the code of a front end."""
        form = {"federation_code": code, "code_verifier": VERIFIER, **more}
        return self.post("/auth/federation/complete", json=form)


@pytest.fixture
def browser_of(app):
    """A new browser with each call."""
    return lambda: Browser(app)
