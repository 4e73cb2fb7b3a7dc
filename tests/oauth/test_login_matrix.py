"""No path through the pages skips a check or a factor: the ways to sign in, as tables.

`tests/login/test_step_matrix.py` covers the login steps below the pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from models import OAuthGrant, Password, Session
from models import User as Account
from tests.mfa.conftest import Browser
from tests.mfa.otp import enrol_factor
from tests.oauth.sign_in_walk import Walk
from tests.rows import rows

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

    assert first == "password enrolment: aal2 pwd+otp+mfa"
    silent = "nothing: interaction_required"
    assert later == (silent if request_name == "none" else "totp: aal2 pwd+otp+mfa")


CHANGES = {
    "disabled": lambda: sa.update(Account).values(disabled_at=clock.now()),
    "deleted": lambda: sa.update(Account).values(deleted_at=clock.now()),
    "unverified": lambda: sa.update(Account).values(email_verified_at=None),
    "flagged password": lambda: sa.update(Password).values(compromised_at=clock.now()),
}
"""What may happen to an account."""


def change(app: Any, name: str) -> None:
    """Let something happen to the account of the only user."""
    with app.app_context():
        db.session.execute(CHANGES[name]())
        db.session.commit()


@pytest.mark.parametrize("name", CHANGES)
def test_account_that_may_not_sign_in_gets_no_code_before_or_after_its_second_step(
    app, relying_party, client, make_user, name
):
    user = make_user(email="ada@example.com")
    walk = Walk(relying_party, client, user, "totp")
    client.log_in(user)
    client.enrol_totp(user)
    sessions = len(rows(app, Session))
    form = {"identifier": user.email, "password": user.password}
    pending = relying_party.browser.submit(relying_party.start(), form)

    change(app, name)
    late = relying_party.browser.submit(pending, {"code": user.totp()})
    outcome = walk.run()

    assert outcome == "password: 403 at /auth/sign-in"
    assert late.response.status_code == (401 if name == "flagged password" else 403)
    assert len(rows(app, Session)) == sessions
    assert rows(app, OAuthGrant) == []


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_enrolment_after_the_grace_period_needs_the_mailbox(relying_party, client, make_user, wait):
    walk = Walk(relying_party, client, make_user(email="ada@example.com"), "email")
    form = {"identifier": walk.user.email, "password": walk.user.password}
    page = relying_party.browser.submit(relying_party.start(), form)
    assert "Set up a second factor" in page.text
    wait(days=15)

    assert walk.run() == "password email enrolment: aal2 pwd+email+otp+mfa"


def test_administrator_who_acts_as_a_user_gets_no_code_for_that_user(
    app, relying_party, sign_in_as, make_user
):
    admin = sign_in_as("admin", email="root@example.com")
    make_user(email="ada@example.com")
    [account] = admin.get("/admin/users", query_string={"q": "ada@example.com"}).json["items"]
    path = f"/admin/users/{account['id']}/impersonate"
    token = admin.post(path, {"reason": "support"}).json["access_token"]

    relying_party.browser.cookies["__Host-access"] = (token, "/")
    silent = relying_party.read_answer(relying_party.start(prompt="none"))

    assert silent["error"] == "login_required"
    assert "password" in relying_party.start().forms[0].values()
    assert rows(app, OAuthGrant) == []
