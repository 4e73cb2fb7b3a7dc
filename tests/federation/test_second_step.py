"""After the provider: account checks, second factors and policy, as for every other login."""

import pytest

from models import Session
from tests.federation.test_linking import ADA, change_account
from tests.rows import audited, rows


@pytest.mark.requirement("MF-01")
def test_federated_sign_in_of_a_user_with_a_factor_ends_at_the_factor(
    app, op, client, browser_of, make_user
):
    ada = make_user(email=ADA, factors=["totp"])
    browser, before = browser_of(), len(rows(app, Session))

    challenge = browser.complete(browser.get_code(op)).json
    assert (challenge["status"], len(rows(app, Session))) == ("mfa_required", before)
    assert client.as_(challenge["mfa_token"]).get("/auth/me").status_code == 401
    tokens = client.complete_mfa(ada, challenge)

    assert tokens["user"]["email"] == ADA
    assert audited(app, "login.succeeded")[-1].details["amr"][0] == "fed"
    page = browser_of().sign_in(op)
    assert (page.status_code, "mfa_token" in page.text) == (200, True)


@pytest.mark.requirement("MF-01")
@pytest.mark.settings(GATEHOUSE_MFA="required", GATEHOUSE_MFA_GRACE_PERIOD="3600")
def test_federated_sign_in_without_a_factor_ends_at_the_enrolment(app, op, browser_of):
    browser = browser_of()

    challenge = browser.complete(browser.get_code(op)).json

    assert challenge["status"] == "mfa_enrolment_required"
    assert rows(app, Session) == []


@pytest.mark.requirement("RP-09")
def test_two_factors_at_the_provider_count_only_where_they_are_declared(
    app, op, browser_of, make_user
):
    make_user(email=ADA, factors=["totp"])
    for claims in ({}, {"amr": "mfa"}, {"amr": ["pwd"]}, {"amr": [["mfa"]]}, {"acr": "mfa"}):
        op.reset()
        op.user |= claims
        browser = browser_of()
        assert browser.complete(browser.get_code(op)).json["status"] == "mfa_required", claims

    op.user |= {"amr": ["pwd", "mfa"]}
    browser = browser_of()
    assert browser.complete(browser.get_code(op)).json["status"] == "authenticated"


def test_federated_sign_in_of_a_disabled_user_is_rejected(app, op, browser_of, wait):
    browser_of().sign_in(op)
    change_account(app, ADA, disabled_at=rows(app, Session)[0].created_at)

    page = browser_of().sign_in(op)

    assert page.status_code == 403
    assert "This account is disabled" in page.text
    assert len(rows(app, Session)) == 1


@pytest.mark.settings(GATEHOUSE_REGISTRATION="closed")
def test_provider_creates_no_account_while_registration_is_closed(app, op, browser_of, make_user):
    assert browser_of().sign_in(op).status_code == 403
    assert "registration is closed" in audited(app, "federation.refused")[0].details["reason"]

    make_user(email=ADA)
    assert browser_of().sign_in(op).status_code == 303


@pytest.mark.requirement("RG-07")
def test_claims_set_no_field_that_is_not_declared_or_not_valid(app, op, browser_of):
    op.user |= {"roles": ["admin"], "is_admin": True, "username": "root", "id": "1"}
    op.user |= {"name": "A" * 20_000, "locale": "xx-" * 100, "phone": "+4915112345678"}
    browser = browser_of()

    user = browser.complete(browser.get_code(op)).json["user"]

    assert user["roles"] == ["user"]
    assert [user[name] for name in ("username", "phone", "name", "locale")] == [None] * 4
