"""The applications that have access to a user: listed, and revoked."""

import pytest

from gatehouse.core import crypto
from models import LogoutNotification, OAuthConsent, OAuthGrant
from tests.client import User
from tests.oauth.conftest import add_row
from tests.oauth.grants import authorize_grant, user_id_of
from tests.rows import audited, rows

ADA = "ada@example.com"
PATH = "/auth/grants"
UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def tokens(client, make_user):
    return client.log_in(make_user(email=ADA, name="Ada"))


@pytest.fixture
def mine(client, tokens):
    return client.as_(tokens)


@pytest.fixture
def shop(make_client):
    return make_client(backchannel_logout_uri="https://shop.example.com/out", consent="once")


def consent_to(app, client_id, **columns):
    values = {"scopes": ["openid", "email"], "resources": [], **columns}
    row = OAuthConsent(
        id=crypto.new_id(), user_id=user_id_of(app, ADA), client_id=client_id, **values
    )
    return add_row(app, row).id


@pytest.mark.stores
def test_grants_are_listed_once_for_each_client_with_scopes_in_words(
    app, mine, tokens, shop, make_client, make_resource
):
    make_client(id="wiki", name="A wiki", logo_uri="https://wiki.example.com/logo.svg")
    make_resource()
    access = tokens["access_token"]
    consent_id = consent_to(app, "shop")
    authorize_grant(app, "shop", access)
    authorize_grant(app, "shop", access, scopes=("openid", "offline_access"), offline=True)
    api = {"scopes": ("orders:read",), "resources": ("https://api.example.com",)}
    first = authorize_grant(app, "wiki", access, **api)
    authorize_grant(app, "wiki", access, redeemed=False)
    make_client(id="unused")
    authorize_grant(app, "unused", access, redeemed=False)

    wiki, listed = mine.get(PATH).json["items"]

    assert (listed["id"], listed["client_id"], listed["name"]) == (str(consent_id), "shop", "Shop")
    assert listed["offline"] is True
    assert listed["scopes"] == [
        {"scope": "openid", "description": "Know who you are"},
        {"scope": "email", "description": "Read your e-mail address"},
        {
            "scope": "offline_access",
            "description": "Keep its access when you are signed out",
        },
    ]
    assert listed["last_used_at"] >= listed["created_at"]
    assert (wiki["id"], wiki["name"], wiki["offline"]) == (str(first), "A wiki", False)
    assert wiki["logo_uri"] == "https://wiki.example.com/logo.svg"
    assert wiki["scopes"] == [{"scope": "orders:read", "description": "See your orders"}]
    assert wiki["resources"] == ["https://api.example.com"]


def test_grants_are_described_in_the_language_of_the_user(app, mine, shop):
    consent_to(app, "shop")
    mine.patch("/auth/me", {"locale": "de"})

    [item] = mine.get(PATH).json["items"]

    assert item["scopes"][0]["description"] == "Wissen, wer Sie sind"
    assert item["last_used_at"] is None


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_revoked_application_loses_its_consent_and_all_grants(
    app, client, make_user, mine, tokens, shop, make_client
):
    make_client(id="wiki")
    other = client.log_in(make_user(email="bob@example.com"))
    access = tokens["access_token"]
    consent_id = consent_to(app, "shop")
    ended = [
        authorize_grant(app, "shop", access),
        authorize_grant(app, "shop", access, offline=True),
        authorize_grant(app, "shop", access, redeemed=False),
    ]
    authorize_grant(app, "wiki", access)
    authorize_grant(app, "shop", other["access_token"])

    response = mine.delete(f"{PATH}/{consent_id}")

    assert response.status_code == 204
    reasons = {row.id: row.end_reason for row in rows(app, OAuthGrant)}
    assert {grant_id for grant_id, reason in reasons.items() if reason} == set(ended)
    assert set(reasons.values()) == {"access_revoked", None}
    assert rows(app, OAuthConsent) == []
    assert [row.client_id for row in rows(app, LogoutNotification)] == ["shop"]
    assert len(audited(app, "grant.revoked")) == 1
    assert mine.delete(f"{PATH}/{consent_id}").status_code == 404
    assert [item["client_id"] for item in mine.get(PATH).json["items"]] == ["wiki"]
    assert mine.get("/auth/me").status_code == 200


@pytest.mark.requirement("AZ-02")
def test_application_of_another_user_is_not_found_and_stays(
    app, client, make_user, mine, tokens, shop
):
    own = authorize_grant(app, "shop", tokens["access_token"])
    eve = client.as_(client.log_in(make_user(email="eve@example.com")))

    assert eve.get(PATH).json["items"] == []
    for item_id in (own, UNKNOWN_ID):
        response = eve.delete(f"{PATH}/{item_id}")
        assert (response.status_code, response.json["code"]) == (404, "not_found")
    assert mine.get(PATH).json["items"][0]["id"] == str(own)
    assert mine.delete(f"{PATH}/{own}").status_code == 204


def test_applications_name_the_sessions_that_they_end_with(app, client, mine, tokens, shop):
    other = client.log_in(User(ADA))
    for access in (tokens, tokens, other):
        authorize_grant(app, "shop", access["access_token"])
    authorize_grant(app, "shop", tokens["access_token"], offline=True)

    [item] = mine.get(PATH).json["items"]

    sessions = mine.get("/auth/sessions").json["items"]
    assert sorted(item["session_ids"]) == sorted(session["id"] for session in sessions)
    client.as_(other).post("/auth/logout")
    [item] = mine.get(PATH).json["items"]
    assert item["session_ids"] == [session["id"] for session in sessions if session["current"]]


def test_administrators_list_and_revoke_the_grants_of_a_user(app, sign_in_as, mine, tokens, shop):
    admin = sign_in_as("admin", email="root@example.com")
    grant_id = authorize_grant(app, "shop", tokens["access_token"])
    path = f"/admin/users/{user_id_of(app, ADA)}/grants"

    listed = admin.get(path)
    denied = mine.get(path)
    unknown = admin.delete(f"{path}/{UNKNOWN_ID}")
    revoked = admin.delete(f"{path}/{grant_id}")

    assert [item["id"] for item in listed.json["items"]] == [str(grant_id)]
    assert (denied.status_code, unknown.status_code, revoked.status_code) == (403, 404, 204)
    assert admin.get(path).json == {"items": [], "next_cursor": None}
    [event] = audited(app, "grant.revoked")
    assert event.actor_id == user_id_of(app, "root@example.com")
    assert event.user_id == user_id_of(app, ADA)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_application_is_revoked_once_in_twenty_parallel_requests(app, mine, tokens, shop):
    grant_id = authorize_grant(app, "shop", tokens["access_token"], offline=True)

    responses = mine.in_parallel(20, f"{PATH}/{grant_id}", method="DELETE")

    assert sorted(response.status_code for response in responses) == [204] + [404] * 19
    assert len(audited(app, "grant.revoked")) == len(audited(app, "grant.ended")) == 1
