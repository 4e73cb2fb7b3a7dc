"""Changing one's password: with the current one, for oneself, and the other sessions end."""

from functools import partial

import pytest

from models import Password, Session, User
from tests.client import PASSWORD
from tests.rows import audited, rows
from tests.together import at_once

pytestmark = pytest.mark.stores

NEW, THIRD = "another long phrase instead", "a third and equally long one"
PATH = "/auth/password/change"


def form(current=PASSWORD, new=NEW):
    return {"current_password": current, "password": new}


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


def log_in(client, user, password):
    return client.post("/auth/login", {"identifier": user.email, "password": password}).status_code


@pytest.mark.requirement("PW-09")
def test_after_a_change_the_new_password_works_and_the_old_one_does_not(app, client, ada):
    [before] = rows(app, Password)

    answer = client.as_(client.log_in(ada)).post(PATH, form())

    [after] = rows(app, Password)
    assert (answer.status_code, answer.data) == (204, b"")
    assert (log_in(client, ada, NEW), log_in(client, ada, PASSWORD)) == (200, 401)
    assert after.changed_at > before.changed_at
    assert [event.user_id for event in audited(app, "account.password_changed")] == [after.user_id]


@pytest.mark.requirement("PW-09")
def test_a_change_needs_the_current_password_and_a_new_one(app, client, ada):
    [before] = rows(app, Password)
    incomplete = [{"password": NEW}, {"current_password": PASSWORD}, {}, form(current="")]
    signed_in = client.as_(client.log_in(ada))

    answers = [signed_in.post(PATH, some) for some in incomplete]

    told = [(answer.status_code, answer.json["code"]) for answer in answers]
    assert told == [(422, "validation_failed")] * 4
    assert [row.hash for row in rows(app, Password)] == [before.hash]


@pytest.mark.requirement("PW-09")
def test_a_wrong_current_password_changes_nothing_and_is_recorded(app, client, ada):
    answer = client.as_(client.log_in(ada)).post(PATH, form(current=THIRD))

    [event] = audited(app, "account.password_change_failed")
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_credentials")
    assert log_in(client, ada, PASSWORD) == 200
    assert event.user_id == rows(app, User)[0].id
    assert event.details == {"code": "invalid_credentials"}
    assert audited(app, "account.password_changed") == []


@pytest.mark.requirement("PW-09")
def test_guesses_at_the_current_password_are_throttled_with_those_at_the_login(app, client, ada):
    signed_in = client.as_(client.log_in(ada))

    answers = [signed_in.post(PATH, form(current=THIRD)).status_code for _ in range(6)]

    assert answers == [401] * 5 + [429]
    assert signed_in.post(PATH, form()).status_code == log_in(client, ada, PASSWORD) == 429
    assert len(audited(app, "account.password_change_failed")) == 5
    assert len(audited(app, "login.throttled")) == 1


def test_a_stranger_changes_nothing(client, ada):
    answer = client.post(PATH, form())

    assert (answer.status_code, answer.json["code"]) == (401, "token_missing")
    assert log_in(client, ada, PASSWORD) == 200


@pytest.mark.requirement("SE-07")
def test_a_change_ends_the_other_sessions_and_keeps_its_own(app, client, ada):
    mine, others = client.log_in(ada), [client.log_in(ada) for _ in range(2)]

    client.as_(mine).post(PATH, form())

    assert client.as_(mine).get("/auth/me").status_code == 200
    assert client.refresh(mine).status_code == 200
    for tokens in others:
        assert client.as_(tokens).get("/auth/me").json["code"] == "token_revoked"
        assert client.refresh(tokens).json["code"] == "session_ended"
    reasons = [session.end_reason for session in rows(app, Session)]
    assert reasons == [None, "password_changed", "password_changed"]
    assert len(audited(app, "session.ended")) == 2


def test_a_change_leaves_other_people_signed_in(client, ada, make_user):
    bobs = client.log_in(make_user())

    client.as_(client.log_in(ada)).post(PATH, form())

    assert client.as_(bobs).get("/auth/me").status_code == 200


def test_the_new_password_has_to_be_good(client, ada):
    mine, other = client.log_in(ada), client.log_in(ada)
    bad = ("tzgkwpqxhvbnrd", "passwordpassword", "ada@example.com!")

    answers = [client.as_(mine).post(PATH, form(new=password)) for password in bad]

    reasons = [answer.json["errors"]["password"][0]["code"] for answer in answers]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert reasons == ["password_too_short", "password_blocklisted", "password_personal"]
    assert client.as_(other).get("/auth/me").status_code == 200
    assert log_in(client, ada, PASSWORD) == 200


def test_a_weak_new_password_tells_nothing_to_who_does_not_know_the_current_one(client, ada):
    answer = client.as_(client.log_in(ada)).post(PATH, form(current=THIRD, new="passwordpassword"))

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_credentials")


def test_of_two_changes_at_once_one_wins(app, client, ada):
    one, other = client.as_(client.log_in(ada)), client.as_(client.log_in(ada))

    answers = at_once(
        partial(one.post, PATH, form(new=NEW)), partial(other.post, PATH, form(new=THIRD))
    )

    won = [answer.status_code for answer in answers]
    assert sorted(won) == [204, 401]
    assert log_in(client, ada, (NEW, THIRD)[won.index(204)]) == 200
    assert log_in(client, ada, (THIRD, NEW)[won.index(204)]) == 401
    assert len(audited(app, "account.password_changed")) == 1
