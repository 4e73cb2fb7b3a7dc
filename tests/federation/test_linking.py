"""Linking of identities: by whom, when an address suffices, and the attacks by pre-hijacking."""

from __future__ import annotations

import pytest

from gatehouse.database.session import db, write_transaction
from models import ExternalIdentity, Session
from models import User as Account
from tests.client import Client
from tests.federation.conftest import CHALLENGE, RETURN_TO, VERIFIER, Browser
from tests.rows import audited, rows

ADA = "ada@example.com"


def change_account(app, email, **columns):
    """Change columns of an account in the database."""
    with app.app_context(), write_transaction():
        account = db.session.query(Account).filter_by(email=email).one()
        for name, value in columns.items():
            setattr(account, name, value)
        db.session.commit()


def begin_linking(client: Client, user, **more):
    """Begin to link an identity at `acme`; return the path to send the browser to."""
    response = client.as_(user.tokens).post("/auth/identities", {"provider": "acme", **more})
    assert response.status_code == 201, response.text
    return response.json["url"].removeprefix("http://localhost:8000")


def link(client: Client, browser: Browser, user, op):
    """Link the identity of the provider's user for a front end; return the last answer."""
    path = begin_linking(client, user, return_to=RETURN_TO, code_challenge=CHALLENGE)
    answer = op.approve(browser.get(path).headers["Location"])
    code = browser.come_back(answer).headers["Location"].partition("federation_code=")[2]
    form = {"federation_code": code, "code_verifier": VERIFIER}
    return client.as_(user.tokens).post("/auth/identities/complete", form)


@pytest.mark.requirement("RP-07")
def test_identity_is_linked_by_an_address_that_both_sides_have_verified(
    app, op, client, browser_of, make_user
):
    make_user(email=ADA)

    assert browser_of().sign_in(op).status_code == 303

    [account], [identity] = rows(app, Account), rows(app, ExternalIdentity)
    assert identity.user_id == account.id
    assert client.mailbox(to=ADA)[0]["template"] == "notice_identity_linked"
    assert len(audited(app, "identity.linked")) == 1


@pytest.mark.requirement("RP-07", "RG-07")
def test_identity_is_not_linked_by_an_address_that_one_side_has_not_verified(
    app, op, other_op, browser_of, make_user
):
    make_user(email=ADA)
    untrue = ({"email_verified": False}, {"email_verified": "true"}, {"email_verified": 1})
    for claims in (*untrue, {"email_verified": None}, {"email": "ada@elsewhere.example"}):
        op.reset()
        op.user |= claims
        response = browser_of().sign_in(op)
        assert response.status_code == 403, claims
        assert "belongs to no account here yet" in response.text

    op.reset()
    assert browser_of().sign_in(other_op, "other").status_code == 403  # not trusted for addresses
    change_account(app, ADA, email_verified_at=None)
    assert browser_of().sign_in(op).status_code == 403

    assert rows(app, ExternalIdentity) == rows(app, Session) == []


@pytest.mark.requirement("RP-07")
def test_prehijacking_classic_federated_merge(app, op, client, browser_of):
    """The attacker signs up with the victim's address first; the victim comes with a provider."""
    client.register(ADA, "a phrase of the attacker")

    assert browser_of().sign_in(op).status_code == 303
    form = {"identifier": ADA, "password": "a phrase of the attacker"}
    assert client.post("/auth/login", form).status_code == 401
    code = client.mailbox(to=ADA)[0]["variables"]["code"]
    assert client.verify_code(ADA, code).status_code == 401  # the sign-up is void

    assert len(rows(app, Account)) == 1


@pytest.mark.requirement("RP-07")
def test_prehijacking_unexpired_session(app, op, client, browser_of, make_user):
    """An account whose address was never verified is not entered by the victim's identity."""
    attacker = make_user(email=ADA)
    client.log_in(attacker)
    change_account(app, ADA, email_verified_at=None)

    assert browser_of().sign_in(op).status_code == 403
    assert rows(app, ExternalIdentity) == []


@pytest.mark.requirement("RP-07")
def test_prehijacking_trojan_identifier(app, op, client, browser_of, make_user):
    """The attacker links an identity to an unverified account; its owner resets the password."""
    attacker = make_user(email=ADA)
    client.log_in(attacker)
    op.user = {"sub": "attacker"}
    assert link(client, browser_of(), attacker, op).status_code == 204
    change_account(app, ADA, email_verified_at=None)

    client.post("/auth/password/forgot", {"email": ADA})
    code = client.mailbox(to=ADA)[0]["variables"]["code"]
    form = {"email": ADA, "code": code, "password": "another phrase of the owner"}
    assert client.post("/auth/password/reset", form).status_code == 204

    assert rows(app, ExternalIdentity) == []
    assert browser_of().sign_in(op).status_code == 403


@pytest.mark.requirement("RP-07")
def test_prehijacking_unexpired_email_change(app, op, client, browser_of, make_user):
    """The attacker begins to change to the victim's address, before the victim signs in."""
    attacker = make_user(email="mallory@example.org")
    client.log_in(attacker)
    client.as_(attacker.tokens).post("/auth/email/change", {"email": ADA})
    code = client.mailbox(to=ADA)[0]["variables"]["code"]

    assert browser_of().sign_in(op).status_code == 303
    form = {"email": ADA, "code": code}
    assert client.as_(attacker.tokens).post("/auth/email/verify", form).status_code == 401

    assert sorted(account.email for account in rows(app, Account)) == [ADA, "mallory@example.org"]


@pytest.mark.requirement("RP-07")
def test_prehijacking_non_verifying_provider(app, other_op, client, browser_of, make_user):
    """The attacker's provider claims the victim's address; no account is created or entered."""
    other_op.user |= {"sub": "attacker", "email": ADA, "email_verified": True}

    assert browser_of().sign_in(other_op, "other").status_code == 403
    assert rows(app, Account) == []
    make_user(email=ADA)
    assert browser_of().sign_in(other_op, "other").status_code == 403


def test_identity_is_linked_in_the_session_that_began(app, op, client, browser_of, make_user):
    ada, bob = make_user(email=ADA), make_user(email="bob@example.com")
    client.log_in(ada)
    client.log_in(bob)
    op.user = {"sub": "ada-elsewhere"}

    path = begin_linking(client, ada, return_to=RETURN_TO, code_challenge=CHALLENGE)
    browser = browser_of()
    answer = op.approve(browser.get(path).headers["Location"])
    assert browser.get(path).status_code == 401  # its token works once
    code = browser.come_back(answer).headers["Location"].partition("federation_code=")[2]
    form = {"federation_code": code, "code_verifier": VERIFIER}
    assert client.as_(bob.tokens).post("/auth/identities/complete", form).status_code == 401
    assert rows(app, ExternalIdentity) == []

    assert link(client, browser_of(), ada, op).status_code == 204
    assert link(client, browser_of(), bob, op).json["code"] == "identity_taken"
    [listed] = client.as_(ada.tokens).get("/auth/identities").json["items"]
    assert (listed["provider"], listed["label"]) == ("acme", "Acme")
    assert browser_of().sign_in(op).status_code == 303
    assert client.mailbox(to=ADA)[0]["template"] in ("notice_identity_linked", "notice_new_device")


def test_code_of_linking_does_not_sign_in(app, op, client, browser_of, make_user):
    ada = make_user(email=ADA)
    client.log_in(ada)
    path = begin_linking(client, ada, return_to=RETURN_TO, code_challenge=CHALLENGE)
    browser = browser_of()
    answer = op.approve(browser.get(path).headers["Location"])
    code = browser.come_back(answer).headers["Location"].partition("federation_code=")[2]

    assert browser.complete(code).status_code == 401


def test_linking_on_our_pages_needs_the_cookies_of_the_session(
    app, op, client, browser_of, make_user
):
    ada, stranger = make_user(email=ADA), browser_of()
    client.log_in(ada)
    op.user = {"sub": "victim-of-a-link"}

    path = begin_linking(client, ada)
    answer = op.approve(stranger.get(path).headers["Location"])
    assert stranger.come_back(answer).status_code == 401
    assert rows(app, ExternalIdentity) == []

    browser = browser_of()
    form = {"identifier": ADA, "password": ada.password, "transport": "cookie"}
    token = browser.post("/auth/login", json=form).json["csrf_token"]
    headers = {"X-CSRF-Token": token}
    begun = browser.post("/auth/identities", json={"provider": "acme"}, headers=headers)
    path = begun.json["url"].removeprefix("http://localhost:8000")
    answer = op.approve(browser.get(path).headers["Location"])
    shown = browser.come_back(answer).headers["Location"]
    assert shown == "/account/identities?done=identity-linked"
    assert len(rows(app, ExternalIdentity)) == 1


def test_identity_is_unlinked_unless_it_is_the_last_way_in(app, op, client, browser_of, make_user):
    browser = browser_of()
    tokens = browser.complete(browser.get_code(op)).json
    mine = client.as_(tokens)
    [identity] = mine.get("/auth/identities").json["items"]
    last = mine.delete(f"/auth/identities/{identity['id']}")
    assert (last.status_code, last.json["code"]) == (409, "last_sign_in_method")

    bob = make_user(email="bob@example.com")
    client.log_in(bob)
    op.user = {"sub": "bob-elsewhere"}
    link(client, browser_of(), bob, op)
    [linked] = client.as_(bob.tokens).get("/auth/identities").json["items"]
    foreign = mine.delete(f"/auth/identities/{linked['id']}")
    removed = client.as_(bob.tokens).delete(f"/auth/identities/{linked['id']}")

    assert (foreign.status_code, removed.status_code) == (404, 204)
    assert client.mailbox(to=bob.email)[0]["template"] == "notice_identity_unlinked"
    assert browser_of().sign_in(op).status_code == 403


def test_linking_returns_to_allowed_origins_only(app, op, client, make_user):
    ada = make_user(email=ADA)
    client.log_in(ada)
    form = {"provider": "acme", "return_to": "https://evil.example/", "code_challenge": CHALLENGE}

    response = client.as_(ada.tokens).post("/auth/identities", form)

    assert (response.status_code, response.json["code"]) == (403, "return_to_not_allowed")


def test_linking_needs_a_recent_authentication(app, op, client, make_user, wait):
    ada = make_user(email=ADA)
    client.log_in(ada)
    wait(minutes=11)
    ada.tokens = client.renew(ada.tokens)

    response = client.as_(ada.tokens).post("/auth/identities", {"provider": "acme"})

    assert (response.status_code, response.json["code"]) == (
        401,
        "insufficient_user_authentication",
    )
