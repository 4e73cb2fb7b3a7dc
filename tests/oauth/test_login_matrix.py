"""No path through the pages skips a check or a factor: the ways to sign in, as tables.

`tests/login/test_step_matrix.py` covers the login steps below the pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mfa.conftest import Browser
from tests.mfa.otp import enrol_factor
from tests.oauth.sign_in_walk import Walk

AAL2 = '{"id_token": {"acr": {"essential": true, "value": "aal2"}}}'
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "login": {"prompt": "login"},
    "max_age": {"max_age": 60},
    "aal2": {"acr_values": "aal2"},
    "aal2!": {"claims": AAL2},
    "none": {"prompt": "none"},
    "none aal2": {"prompt": "none", "acr_values": "aal2"},
    "none aal2!": {"prompt": "none", "claims": AAL2},
}
TABLE = """
no factor
  fresh   | plain      | password: aal1 pwd
  fresh   | aal2       | password: aal1 pwd
  fresh   | aal2!      | password: unmet_authentication_requirements
  session | none aal2! | nothing: unmet_authentication_requirements
  session | login      | password: aal1 pwd
totp
  fresh   | plain      | password totp: aal2 pwd+otp+mfa
  fresh   | none       | nothing: login_required
  session | plain      | nothing: aal1 pwd
  session | login      | password: aal1 pwd
  session | max_age    | password: aal1 pwd
  session | aal2       | totp: aal2 pwd+otp+mfa
  session | aal2!      | totp: aal2 pwd+otp+mfa
  session | none aal2  | nothing: aal1 pwd
  session | none aal2! | nothing: interaction_required
  strong  | plain      | nothing: aal2 pwd+otp+mfa
  strong  | none aal2! | nothing: aal2 pwd+otp+mfa
  strong  | login      | password: aal2 pwd+otp+mfa
  lapsed  | plain      | nothing: aal1 pwd
  lapsed  | none aal2  | nothing: aal1 pwd
  lapsed  | none aal2! | nothing: interaction_required
  lapsed  | login      | password: aal1 pwd
  lapsed  | aal2!      | totp: aal2 pwd+otp+mfa
recovery
  fresh   | plain      | password recovery: aal2 pwd+recovery+mfa
  session | aal2!      | recovery: aal2 pwd+recovery+mfa
sms
  fresh   | plain      | password sms: aal2 pwd+sms+mfa
  session | aal2!      | sms: aal2 pwd+sms+mfa
  lapsed  | none       | nothing: aal1 pwd
email
  fresh   | plain      | password email: aal1 pwd+email
  fresh   | aal2!      | password email: unmet_authentication_requirements
  session | aal2!      | nothing: unmet_authentication_requirements
passkey
  fresh   | plain      | password passkey: aal2 pwd+hwk+mfa
  session | aal2!      | passkey: aal2 pwd+hwk+mfa
  lapsed  | none       | nothing: aal1 pwd
passkey first
  fresh   | aal2!      | passkey: aal2 hwk+mfa
  strong  | login      | password: aal2 hwk+pwd+mfa
  lapsed  | none       | nothing: aal1 hwk
  lapsed  | aal2!      | passkey: aal2 hwk+mfa
"""
"""The steps that a user takes, and `acr` and `amr` of the ID token, or the error.

Session: of the password alone, on a device that the user trusts. Strong: with the factor, minutes
ago. Lapsed: with the factor, a day ago. `aal2!` is essential, `aal2` only preferred.
"""
STATES = [line for line in TABLE.splitlines() if line and not line.startswith(" ")]
pytestmark = [
    pytest.mark.settings(GATEHOUSE_FACTORS="totp,passkey,sms,email,recovery_codes"),
    pytest.mark.requirement("MF-12", "OP-02"),
]


def cases_of(state: str) -> Iterator[list[str]]:
    """Yield the rows of the table below a state."""
    for line in TABLE.partition(f"\n{state}\n")[2].splitlines():
        if not line.startswith(" "):
            return
        yield [cell.strip() for cell in line.split("|")]


def enrol(walk: Walk, factor: str) -> None:
    """Give the user the factor of a state."""
    walk.client.log_in(walk.user)
    if factor in ("totp", "recovery"):
        walk.client.enrol_totp(walk.user)
    elif factor in ("sms", "email"):
        enrol_factor(walk.client, walk.user, factor)
    elif factor.startswith("passkey"):
        assert Browser(walk.client, walk.authenticator, walk.user).register().status_code == 201
    walk.factor = factor.removeprefix("no factor")


@pytest.mark.parametrize("state", STATES)
def test_sign_in_takes_the_steps_that_its_request_needs(
    relying_party, client, make_user, wait, state
):
    walk, differing = Walk(relying_party, client, make_user(email="ada@example.com")), []
    enrol(walk, state)

    for session, request, expected in cases_of(state):
        wait(hours=2)
        relying_party.browser.cookies.clear()
        if session == "session":
            walk.open_session()
        elif session != "fresh":
            walk.run()
        wait(hours=25 if session == "lapsed" else 0.05)
        if (found := walk.run(**REQUESTS[request])) != expected:
            differing.append((session, request, found))

    assert differing == []


@pytest.mark.settings(GATEHOUSE_MFA="required")
@pytest.mark.parametrize("request_name", ["plain", "login", "none"])
def test_session_with_an_old_second_factor_renews_it_where_the_policy_requires_one(
    relying_party, client, make_user, wait, request_name
):
    walk = Walk(relying_party, client, make_user(email="ada@example.com"), "totp")

    first = walk.run()
    wait(hours=25)
    later = walk.run(**REQUESTS[request_name])

    assert first == "password totp: aal2 pwd+otp+mfa"
    silent = "nothing: interaction_required"
    assert later == (silent if request_name == "none" else "totp: aal2 pwd+otp+mfa")
