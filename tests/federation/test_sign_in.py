"""Sign-in with an OpenID provider: on our pages, for a front end, and in an app."""

import pytest

from models import ExternalIdentity, Session, User
from tests.federation.conftest import RETURN_TO
from tests.rows import audited, rows


@pytest.mark.stores
def test_federated_sign_in_creates_the_account_once_and_finds_it_again(app, op, browser_of):
    first = browser_of().sign_in(op)
    op.user |= {"email": "renamed@example.com", "name": "Countess"}
    second = browser_of().sign_in(op)

    assert (first.status_code, second.status_code) == (303, 303), first.text
    assert first.headers["Location"] == "/account"
    assert any(
        cookie.startswith("__Host-access=") for cookie in first.headers.getlist("Set-Cookie")
    )
    [user], [identity] = rows(app, User), rows(app, ExternalIdentity)
    assert (user.email, user.name) == ("ada@example.com", "Ada Lovelace")
    assert user.email_verified_at
    assert (identity.issuer, identity.subject) == (op.issuer, "ada-1")
    assert len(audited(app, "federation.registered")) == 1
    assert [event.details["amr"] for event in audited(app, "login.succeeded")] == [["fed"]] * 2


def test_federated_sign_in_for_a_front_end_gives_tokens_for_the_code_once(app, op, browser_of):
    browser = browser_of()
    code = browser.get_code(op)

    wrong = browser.complete(code, code_verifier="w" * 64)
    assert wrong.status_code == 401
    code = browser.get_code(op)
    tokens, again = browser.complete(code), browser.complete(code)

    assert tokens.status_code == 200, tokens.text
    assert tokens.json["user"]["email"] == "ada@example.com"
    assert (again.status_code, again.json["code"]) == (401, "invalid_code")


def test_federated_sign_in_by_cookie_is_bound_to_the_browser_that_began(app, op, browser_of):
    browser = browser_of()
    code, other = browser.get_code(op, transport="cookie"), browser_of()

    assert other.complete(code, transport="cookie").status_code == 401
    code = browser.get_code(op, transport="cookie")
    response = browser.complete(code, transport="cookie")

    assert response.status_code == 200
    assert "access_token" not in response.json


def test_federated_sign_in_of_an_app_needs_our_nonce_once(app, op, client):
    nonce = client.post("/auth/federation/acme/nonce").json["nonce"]
    token = op.id_token(**op.user, aud="app", nonce=nonce)

    first = client.post("/auth/federation/acme/token", {"id_token": token})
    again = client.post("/auth/federation/acme/token", {"id_token": token})
    foreign = op.id_token(sub="ada-1", aud="gatehouse", nonce=nonce)
    unknown = op.id_token(sub="ada-1", aud="app", nonce="n" * 43)

    assert first.status_code == 200, first.text
    assert (again.status_code, again.json["code"]) == (401, "federation_failed")
    for rejected in (foreign, unknown, "no.token.here"):
        assert client.post("/auth/federation/acme/token", {"id_token": rejected}).status_code == 401
    assert client.post("/auth/federation/other/nonce").status_code == 404


def test_providers_are_listed_for_front_ends_and_on_the_page(app, op, client, browser_of):
    listed = client.get("/auth/federation").json["items"]

    assert listed == [
        {"name": "acme", "label": "Acme", "kind": "oidc"},
        {"name": "other", "label": "Other", "kind": "oidc"},
    ]
    page = browser_of().get("/login").text
    assert 'href="/auth/federation/acme"' in page
    assert "Continue with Acme" in page


@pytest.mark.requirement("RP-01")
@pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS="https://app.example.com")
def test_federation_returns_to_allowed_origins_only(app, op, browser_of):
    challenge = "c" * 43
    allowed = ("http://localhost:8000/after", "https://app.example.com/x?y=1")
    rejected = (
        "https://evil.example/",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "https://app.example.com\\@evil.example/",
        "//app.example.com/",
        "https:///app.example.com",
        "javascript:alert(1)//https://app.example.com",
        "http://app.example.com/",
        "https://app.example.com/#fragment",
    )

    for url in allowed:
        assert browser_of().begin(return_to=url, code_challenge=challenge)
    for url in rejected:
        response = browser_of().get(
            "/auth/federation/acme", return_to=url, code_challenge=challenge
        )
        assert response.status_code == 400, url
    without = browser_of().get("/auth/federation/acme", return_to=RETURN_TO)
    assert without.status_code == 400


@pytest.mark.requirement("RP-01")
def test_federation_state_works_once_and_in_the_browser_that_began(app, op, browser_of):
    browser = browser_of()
    answer = op.approve(browser.begin())

    from_other = browser_of().come_back(answer)
    assert (from_other.status_code, rows(app, Session)) == (401, [])
    assert browser.come_back(answer).status_code == 303
    replayed = browser.come_back(answer)
    invented = browser.come_back(answer | {"state": "s" * 43})

    assert (replayed.status_code, invented.status_code) == (401, 401)
    assert "begun in another browser" in replayed.text
    assert len(rows(app, Session)) == 1


def test_federation_takes_a_form_only_after_our_page_has_repeated_it(app, op, browser_of):
    browser = browser_of()
    answer = op.approve(browser.begin())
    path = "/auth/federation/acme/callback"

    cross_site = browser_of().post(path, data=answer, headers={"Origin": op.issuer})
    assert cross_site.status_code == 200
    assert all(value in cross_site.text for value in answer.values())
    repeated = browser.post(path, data=answer | {"repeated": "1"})

    assert repeated.status_code == 303, repeated.text
    assert len(rows(app, Session)) == 1


def test_federation_reports_a_denial_to_the_front_end_or_on_a_page(app, op, browser_of):
    browser = browser_of()
    state = op.approve(browser.begin())["state"]
    page = browser.come_back({"state": state, "error": "access_denied"})
    query = {"return_to": RETURN_TO, "code_challenge": "c" * 43}
    state = op.approve(browser.begin(**query))["state"]
    redirect = browser.come_back({"state": state, "error": "access_denied"})

    assert page.status_code == 403
    assert "cancelled at the provider" in page.text
    assert redirect.headers["Location"] == f"{RETURN_TO}?federation_error=federation_denied"


@pytest.mark.requirement("RP-10")
def test_federation_keeps_the_tokens_of_the_provider_nowhere(app, op, browser_of):
    browser = browser_of()
    response = browser.complete(browser.get_code(op))

    assert "opaque" not in response.text
    for table in (ExternalIdentity, User, Session):
        assert all("opaque" not in str(vars(row)) for row in rows(app, table))
