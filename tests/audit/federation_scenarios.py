"""What causes the audit events of sign-ins with identity providers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gatehouse.audit.federation_events import Federation
from gatehouse.federation import registry
from gatehouse.settings.parsers import egress_destinations
from tests.audit.event_scenarios import Scenario, causes
from tests.federation.conftest import CHALLENGE, FILE, RETURN_TO, VERIFIER, Browser
from tests.federation.openid_provider import SECRET, OpenIdProvider, running_provider


@contextmanager
def acme(scenario: Scenario) -> Iterator[OpenIdProvider]:
    """Yield a running provider that the application declares."""
    app, before = scenario.app, scenario.app.extensions["gatehouse.settings"]
    with running_provider() as provider, TemporaryDirectory() as folder, app.app_context():
        file = Path(folder) / "providers.toml"
        file.write_text(FILE.format(first=provider.issuer, second="https://other.example"))
        app.extensions["gatehouse.settings"] = replace(
            before,
            providers=str(file),
            provider_secrets={"acme": SECRET},
            egress_allowlist=egress_destinations("127.0.0.0/8"),
        )
        registry.set_up(app)
        yield provider
        app.extensions["gatehouse.settings"] = before
        registry.set_up(app)


def sign_in(scenario: Scenario, change: Callable[[OpenIdProvider], object], **more: str) -> None:
    """Sign in with a provider that a function has changed."""
    with acme(scenario) as provider:
        change(provider)
        browser = Browser(scenario.app)
        browser.come_back(provider.approve(browser.begin(), **more))


def link_identity(scenario: Scenario, provider: OpenIdProvider) -> dict[str, str]:
    """Link an identity to Ada; return the headers with her token."""
    provider.user = {"sub": "ada-elsewhere"}
    browser, headers = Browser(scenario.app), {}
    headers["Authorization"] = f"Bearer {scenario.tokens()['access_token']}"
    form = {"provider": "acme", "return_to": RETURN_TO, "code_challenge": CHALLENGE}
    begun = browser.post("/auth/identities", json=form, headers=headers).json
    path = begun["url"].removeprefix("http://localhost:8000")
    answer = provider.approve(browser.get(path).headers["Location"])
    code = browser.come_back(answer).headers["Location"].partition("federation_code=")[2]
    form = {"federation_code": code, "code_verifier": VERIFIER}
    browser.post("/auth/identities/complete", json=form, headers=headers)
    return headers


@causes(Federation.REGISTERED)
def user_signs_in_for_the_first_time(scenario: Scenario) -> None:
    sign_in(scenario, lambda provider: None)


@causes(Federation.FAILED)
def provider_answers_for_another_issuer(scenario: Scenario) -> None:
    sign_in(scenario, lambda provider: None, iss="https://evil.example")


@causes(Federation.DENIED)
def user_cancels_at_the_provider(scenario: Scenario) -> None:
    sign_in(scenario, lambda provider: None, error="access_denied")


@causes(Federation.UNAVAILABLE)
def provider_fails(scenario: Scenario) -> None:
    sign_in(scenario, lambda provider: provider.answers.update({"/token": (500, {}, b"")}))


@causes(Federation.REFUSED)
def address_is_not_verified(scenario: Scenario) -> None:
    sign_in(scenario, lambda provider: provider.user.update(email_verified=False))


@causes(Federation.LINKED)
def identity_is_linked(scenario: Scenario) -> None:
    with acme(scenario) as provider:
        link_identity(scenario, provider)


@causes(Federation.UNLINKED)
def identity_is_unlinked(scenario: Scenario) -> None:
    with acme(scenario) as provider:
        headers = link_identity(scenario, provider)
        browser = Browser(scenario.app)
        [item] = browser.connection.get("/auth/identities", headers=headers).json["items"]
        browser.connection.delete(f"/auth/identities/{item['id']}", headers=headers)
