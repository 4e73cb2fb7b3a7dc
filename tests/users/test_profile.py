"""The profile of the signed-in user: GET and PATCH /auth/me."""

from functools import partial

import pytest

from models import User
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

ADA = "ada@example.com"
READ_ONLY_FIELDS = {
    "email": "eve@example.com",
    "email_canonical": "eve@example.com",
    "email_verified": False,
    "phone": "+4915112345678",
    "phone_verified": True,
    "phone_verified_at": "2026-01-01T00:00:00Z",
    "roles": ["admin"],
    "role": "admin",
    "is_admin": True,
    "id": "0198c5a0-0000-7000-8000-000000000000",
    "password": "another long phrase instead",
    "password_hash": "$2b$04$" + "." * 53,
    "disabled_at": None,
    "created_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def ada(client, make_user):
    """A client that is signed in as Ada."""
    user = make_user(email=ADA, username="ada", phone="+4915112345678", name="Ada", locale="en")
    return client.as_(client.log_in(user))


@pytest.mark.stores
def test_profile_is_read_by_its_user(app, ada):
    me = ada.get("/auth/me").json

    [user] = rows(app, User)
    created_at = me.pop("created_at")
    assert created_at.endswith("Z")
    assert me == {
        "id": str(user.id),
        "email": ADA,
        "email_verified": True,
        "username": "ada",
        "phone": "+4915112345678",
        "phone_verified": False,
        "name": "Ada",
        "locale": "en",
        "attributes": {},
        "roles": ["user"],
    }


def test_profile_needs_an_access_token(app, client, ada):
    responses = [client.get("/auth/me"), client.patch("/auth/me", {"name": "Eve"})]

    assert [(response.status_code, response.json["code"]) for response in responses] == [
        (401, "token_missing")
    ] * 2
    assert [user.name for user in rows(app, User)] == ["Ada"]


@pytest.mark.stores
def test_profile_update_changes_only_the_given_fields(app, ada):
    response = ada.patch("/auth/me", {"name": "Ada Lovelace", "locale": "de-AT"})

    assert (response.status_code, response.json) == (200, ada.get("/auth/me").json)
    [user] = rows(app, User)
    [event] = audited(app, "account.profile_changed")
    assert (user.name, user.locale, user.username) == ("Ada Lovelace", "de-AT", "ada")
    assert (event.user_id, event.details) == (user.id, {"fields": ["locale", "name"]})


@pytest.mark.stores
def test_profile_update_with_null_clears_a_field(app, ada):
    response = ada.patch("/auth/me", {"name": None, "username": None, "locale": None})

    [user] = rows(app, User)
    assert response.status_code == 200
    assert (user.name, user.username, user.username_canonical, user.locale) == (None,) * 4


def test_profile_update_frees_the_previous_username(ada, client, make_user):
    ada.patch("/auth/me", {"username": None})

    assert client.log_in(make_user(username="ada"))["user"]["username"] == "ada"


@pytest.mark.requirement("RG-07")
def test_profile_update_rejects_other_fields(app, ada):
    before = ada.get("/auth/me").json

    responses = {
        name: ada.patch("/auth/me", {name: value}) for name, value in READ_ONLY_FIELDS.items()
    }

    for name, response in responses.items():
        assert response.status_code == 422, name
        assert response.json["errors"][name][0]["code"] == "unknown_field"
    assert ada.get("/auth/me").json == before
    assert audited(app, "account.profile_changed") == []


@pytest.mark.stores
def test_profile_update_rejects_a_taken_username(app, ada, make_user):
    make_user(email="bob@example.com", username="Bob")

    for username in ("bob", "BOB"):
        response = ada.patch("/auth/me", {"name": "Bob", "username": username})

        assert (response.status_code, response.json["code"]) == (409, "username_taken"), username
    assert [(user.username, user.name) for user in rows(app, User)] == [
        ("ada", "Ada"),
        ("Bob", None),
    ]
    assert audited(app, "account.profile_changed") == []


def test_profile_update_accepts_the_own_username_in_another_case(ada):
    response = ada.patch("/auth/me", {"username": "ADA"})

    assert (response.status_code, response.json["username"]) == (200, "ADA")


@pytest.mark.stores
def test_profile_update_gives_a_username_to_one_of_parallel_requests(app, client, make_user):
    clients = [client.as_(client.log_in(make_user())) for _ in range(4)]

    responses = run_in_parallel(
        *(partial(each.patch, "/auth/me", {"username": "ada"}) for each in clients)
    )

    assert sorted(response.status_code for response in responses) == [200, 409, 409, 409]
    assert [user.username for user in rows(app, User) if user.username] == ["ada"]


def test_profile_update_rejects_invalid_values(app, ada):
    changes = [{"name": ""}, {"name": "a\nb"}, {"name": 7}, {"locale": "german!"}, {"username": ""}]

    for change in changes:
        response = ada.patch("/auth/me", change)

        assert (response.status_code, response.json["errors"].keys()) == (422, change.keys())
    assert audited(app, "account.profile_changed") == []
