"""The modules of the plan Basic OP about parameters of the authorization request.

OpenID Connect Core section 3.1.2.1 says what they assert.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.client import User
from tests.oauth.conformance.checks import assert_asks_for_password, metadata, redeem
from tests.oauth.relying_party import RelyingParty, entries

pytestmark = pytest.mark.requirement("OP-08")
NEEDS_A_PAGE = {
    "login_required",
    "consent_required",
    "interaction_required",
    "account_selection_required",
}
"""Errors after which a client lets the user see a page (Core section 3.1.2.6)."""


def test_oidcc_display_page(party: RelyingParty, user: User) -> None:
    assert party.sign_in(user, display="page")["claims"]


def test_oidcc_display_popup(party: RelyingParty, user: User) -> None:
    assert party.sign_in(user, display="popup")["claims"]


@pytest.mark.requirement("OP-02")
def test_oidcc_prompt_login(party: RelyingParty, user: User, wait: Callable[..., None]) -> None:
    first = party.sign_in(user)["claims"]
    wait(seconds=2)

    page = party.start(prompt="login", max_age=10000)
    assert_asks_for_password(page)
    second = redeem(party, party.browser.walk(page, entries(user)))

    assert second["sub"] == first["sub"]
    assert second["auth_time"] > first["auth_time"]


@pytest.mark.requirement("OP-02")
def test_oidcc_prompt_none_not_logged_in(party: RelyingParty) -> None:
    answer = party.authorize(prompt="none")

    assert answer["error"] in NEEDS_A_PAGE
    assert "code" not in answer


@pytest.mark.requirement("OP-02")
def test_oidcc_prompt_none_logged_in(
    party: RelyingParty, user: User, wait: Callable[..., None]
) -> None:
    first = party.sign_in(user)["claims"]
    wait(seconds=2)

    second = redeem(party, party.start(prompt="none"))

    assert second["sub"] == first["sub"]
    assert second.get("auth_time") == first.get("auth_time")


@pytest.mark.requirement("OP-02")
def test_oidcc_max_age_1(party: RelyingParty, user: User, wait: Callable[..., None]) -> None:
    first = party.sign_in(user, max_age=10000)["claims"]
    wait(seconds=2)

    page = party.start(max_age=1)
    assert_asks_for_password(page)
    second = redeem(party, party.browser.walk(page, entries(user)))

    assert second["sub"] == first["sub"]
    assert second["auth_time"] > first["auth_time"]


@pytest.mark.requirement("OP-02")
def test_oidcc_max_age_10000(party: RelyingParty, user: User, wait: Callable[..., None]) -> None:
    first = party.sign_in(user, max_age=15000)["claims"]
    wait(seconds=2)

    second = redeem(party, party.start(max_age=10000))

    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])


@pytest.mark.requirement("OP-02")
def test_oidcc_ensure_request_with_unknown_parameter_succeeds(
    party: RelyingParty, user: User
) -> None:
    assert party.sign_in(user, foobar="foobar")["claims"]


@pytest.mark.requirement("OP-02")
def test_oidcc_id_token_hint(party: RelyingParty, user: User) -> None:
    first = party.sign_in(user)

    second = redeem(party, party.start(prompt="none", id_token_hint=first["id_token"]))

    assert second["sub"] == first["claims"]["sub"]
    assert second.get("auth_time") == first["claims"].get("auth_time")


@pytest.mark.requirement("OP-02")
def test_oidcc_login_hint(party: RelyingParty, user: User) -> None:
    page = party.start(login_hint="buffy@example.org")
    assert "buffy@example.org" in page.text

    assert redeem(party, party.browser.walk(page, entries(user)))


@pytest.mark.requirement("OP-02")
def test_oidcc_ui_locales(party: RelyingParty, user: User) -> None:
    page = party.start(ui_locales="xx fr")
    assert '<html lang="fr"' in page.text

    assert redeem(party, party.browser.walk(page, entries(user)))


def test_oidcc_claims_locales(party: RelyingParty, user: User) -> None:
    assert party.sign_in(user, claims_locales="se")["claims"]


@pytest.mark.requirement("OP-02")
def test_oidcc_ensure_request_with_acr_values_succeeds(party: RelyingParty, user: User) -> None:
    wanted = metadata(party)["acr_values_supported"]

    claims = party.sign_in(user, acr_values=" ".join(wanted))["claims"]

    assert claims["acr"] in wanted
