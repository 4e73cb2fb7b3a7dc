"""GET and PATCH /auth/me: what people read and change of their own account."""

import pytest

from models import User
from tests.rows import audited, rows
from tests.together import at_once

ADA = "ada@example.com"
NOT_THEIRS = {
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
    """Lend a client that is signed in."""
    user = make_user(email=ADA, username="ada", phone="+4915112345678", name="Ada", locale="en")
    return client.as_(client.log_in(user))


@pytest.mark.stores
def test_a_person_reads_their_own_account(app, ada):
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
        "roles": ["user"],
    }


def test_a_stranger_reads_and_changes_nothing(app, client, ada):
    answers = [client.get("/auth/me"), client.patch("/auth/me", {"name": "Eve"})]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [
        (401, "token_missing")
    ] * 2
    assert [user.name for user in rows(app, User)] == ["Ada"]


@pytest.mark.stores
def test_what_is_sent_is_changed_and_the_rest_stays(app, ada):
    answer = ada.patch("/auth/me", {"name": "Ada Lovelace", "locale": "de-AT"})

    assert (answer.status_code, answer.json) == (200, ada.get("/auth/me").json)
    [user] = rows(app, User)
    [event] = audited(app, "account.profile_changed")
    assert (user.name, user.locale, user.username) == ("Ada Lovelace", "de-AT", "ada")
    assert (event.user_id, event.details) == (user.id, {"fields": ["locale", "name"]})


@pytest.mark.stores
def test_null_empties_a_field(app, ada):
    answer = ada.patch("/auth/me", {"name": None, "username": None, "locale": None})

    [user] = rows(app, User)
    assert answer.status_code == 200
    assert (user.name, user.username, user.username_canonical, user.locale) == (None,) * 4


def test_a_username_that_was_given_up_is_free(ada, client, make_user):
    ada.patch("/auth/me", {"username": None})

    assert client.log_in(make_user(username="ada"))["user"]["username"] == "ada"


@pytest.mark.requirement("RG-07")
def test_no_address_role_flag_or_id_is_changed_with_the_profile(app, ada):
    before = ada.get("/auth/me").json

    answers = {name: ada.patch("/auth/me", {name: value}) for name, value in NOT_THEIRS.items()}

    for name, answer in answers.items():
        assert answer.status_code == 422, name
        assert answer.json["errors"][name][0]["code"] == "unknown_field"
    assert ada.get("/auth/me").json == before
    assert audited(app, "account.profile_changed") == []


@pytest.mark.stores
@pytest.mark.parametrize("username", ["bob", "BOB"])
def test_nobody_takes_somebody_elses_username(app, ada, make_user, username):
    make_user(email="bob@example.com", username="Bob")

    answer = ada.patch("/auth/me", {"name": "Bob", "username": username})

    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")
    assert [(user.username, user.name) for user in rows(app, User)] == [
        ("ada", "Ada"),
        ("Bob", None),
    ]
    assert audited(app, "account.profile_changed") == []


def test_a_person_writes_their_own_username_in_another_case(ada):
    answer = ada.patch("/auth/me", {"username": "ADA"})

    assert (answer.status_code, answer.json["username"]) == (200, "ADA")


@pytest.mark.stores
def test_a_username_taken_by_many_at_once_goes_to_one(app, client, make_user):
    people = [client.as_(client.log_in(make_user())) for _ in range(4)]
    wish = [lambda who=who: who.patch("/auth/me", {"username": "ada"}) for who in people]

    answers = at_once(*wish)

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert [user.username for user in rows(app, User) if user.username] == ["ada"]


def test_what_cannot_stand_in_a_profile_is_refused(app, ada):
    changes = [{"name": ""}, {"name": "a\nb"}, {"name": 7}, {"locale": "german!"}, {"username": ""}]

    for change in changes:
        answer = ada.patch("/auth/me", change)

        assert (answer.status_code, answer.json["errors"].keys()) == (422, change.keys())
    assert audited(app, "account.profile_changed") == []
