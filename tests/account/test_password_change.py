"""Password change: it needs the current password, and ends the other sessions."""

from functools import partial

import pytest

from models import Password, Session, User
from tests.client import PASSWORD
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

pytestmark = pytest.mark.stores

NEW, THIRD = "another long phrase instead", "a third and equally long one"
PATH = "/auth/password/change"


def build_form(current=PASSWORD, new=NEW):
    return {"current_password": current, "password": new}


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


def log_in(client, user, password):
    return client.post("/auth/login", {"identifier": user.email, "password": password}).status_code


@pytest.mark.requirement("PW-09")
def test_password_change_replaces_the_old_password(app, client, ada):
    [before] = rows(app, Password)

    response = client.as_(client.log_in(ada)).post(PATH, build_form())

    [after] = rows(app, Password)
    assert (response.status_code, response.data) == (204, b"")
    assert (log_in(client, ada, NEW), log_in(client, ada, PASSWORD)) == (200, 401)
    assert after.changed_at > before.changed_at
    assert [event.user_id for event in audited(app, "account.password_changed")] == [after.user_id]


@pytest.mark.requirement("PW-09")
def test_password_change_needs_the_current_and_the_new_password(app, client, ada):
    [before] = rows(app, Password)
    incomplete = [{"password": NEW}, {"current_password": PASSWORD}, {}, build_form(current="")]
    signed_in = client.as_(client.log_in(ada))

    responses = [signed_in.post(PATH, form) for form in incomplete]

    results = [(response.status_code, response.json["code"]) for response in responses]
    assert results == [(422, "validation_failed")] * 4
    assert [row.hash for row in rows(app, Password)] == [before.hash]


@pytest.mark.requirement("PW-09")
def test_password_change_with_a_wrong_current_password_fails_and_is_recorded(app, client, ada):
    response = client.as_(client.log_in(ada)).post(PATH, build_form(current=THIRD))

    [event] = audited(app, "account.password_change_failed")
    assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")
    assert log_in(client, ada, PASSWORD) == 200
    assert event.user_id == rows(app, User)[0].id
    assert event.details == {"code": "invalid_credentials"}
    assert audited(app, "account.password_changed") == []


@pytest.mark.requirement("PW-09")
def test_password_change_attempts_are_throttled_with_those_of_the_login(app, client, ada):
    signed_in = client.as_(client.log_in(ada))

    responses = [signed_in.post(PATH, build_form(current=THIRD)).status_code for _ in range(6)]

    assert responses == [401] * 5 + [429]
    assert signed_in.post(PATH, build_form()).status_code == log_in(client, ada, PASSWORD) == 429
    assert len(audited(app, "account.password_change_failed")) == 5
    assert len(audited(app, "login.throttled")) == 1


def test_password_change_needs_an_access_token(client, ada):
    response = client.post(PATH, build_form())

    assert (response.status_code, response.json["code"]) == (401, "token_missing")
    assert log_in(client, ada, PASSWORD) == 200


@pytest.mark.requirement("SE-07")
def test_password_change_ends_other_sessions_and_keeps_its_own(app, client, ada):
    mine, others = client.log_in(ada), [client.log_in(ada) for _ in range(2)]

    client.as_(mine).post(PATH, build_form())

    assert client.as_(mine).get("/auth/me").status_code == 200
    assert client.refresh(mine).status_code == 200
    for tokens in others:
        assert client.as_(tokens).get("/auth/me").json["code"] == "token_revoked"
        assert client.refresh(tokens).json["code"] == "session_ended"
    reasons = [session.end_reason for session in rows(app, Session)]
    assert reasons == [None, "password_changed", "password_changed"]
    assert len(audited(app, "session.ended")) == 2


def test_password_change_keeps_sessions_of_other_users(client, ada, make_user):
    bobs = client.log_in(make_user())

    client.as_(client.log_in(ada)).post(PATH, build_form())

    assert client.as_(bobs).get("/auth/me").status_code == 200


def test_password_change_applies_the_password_policy(client, ada):
    mine, other = client.log_in(ada), client.log_in(ada)
    rejected = ("tzgkwpqxhvbnrd", "passwordpassword", "ada@example.com!")

    responses = [client.as_(mine).post(PATH, build_form(new=password)) for password in rejected]

    reasons = [response.json["errors"]["password"][0]["code"] for response in responses]
    assert [response.status_code for response in responses] == [422, 422, 422]
    assert reasons == ["password_too_short", "password_blocklisted", "password_personal"]
    assert client.as_(other).get("/auth/me").status_code == 200
    assert log_in(client, ada, PASSWORD) == 200


def test_password_change_to_the_same_password_is_rejected(client, ada):
    form = {"current_password": PASSWORD, "password": PASSWORD}

    response = client.as_(client.log_in(ada)).post("/auth/password/change", form)

    assert response.status_code == 422
    assert response.json["errors"]["password"][0]["code"] == "password_unchanged"


def test_password_change_checks_the_current_password_before_the_new_one(client, ada):
    response = client.as_(client.log_in(ada)).post(
        PATH, build_form(current=THIRD, new="passwordpassword")
    )

    assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")


def test_password_change_of_two_in_parallel_succeeds_once(app, client, ada):
    one, other = client.as_(client.log_in(ada)), client.as_(client.log_in(ada))

    responses = run_in_parallel(
        partial(one.post, PATH, build_form(new=NEW)),
        partial(other.post, PATH, build_form(new=THIRD)),
    )

    statuses = [response.status_code for response in responses]
    assert sorted(statuses) == [204, 401]
    assert log_in(client, ada, (NEW, THIRD)[statuses.index(204)]) == 200
    assert log_in(client, ada, (THIRD, NEW)[statuses.index(204)]) == 401
    assert len(audited(app, "account.password_changed")) == 1


@pytest.mark.requirement("SE-07", "RG-03")
def test_password_change_voids_what_was_requested_before_it(client, make_user):
    """A code or half a login of an attacker must not outlive the password that it began with."""
    user = make_user(email="ada@example.com", factors=["totp"])
    half = client.log_in(user)
    link = client.post("/auth/login/link", {"email": user.email}).json["login_token"]
    link_code = client.mailbox(to=user.email)[0]["variables"]["code"]
    client.post("/auth/password/forgot", {"email": user.email})
    reset_code = client.mailbox(to=user.email)[0]["variables"]["code"]
    client.complete_mfa(user, client.log_in(user))

    changed = client.as_(user.tokens).post(PATH, build_form())

    responses = [
        client.post("/auth/login/link/verify", {"login_token": link, "code": link_code}),
        client.post(
            "/auth/password/reset", {"email": user.email, "code": reset_code, "password": THIRD}
        ),
        client.post(
            "/auth/login/mfa",
            {
                "mfa_token": half["mfa_token"],
                "factor": "recovery_codes",
                "code": user.recovery_codes[0],
            },
        ),
    ]
    assert changed.status_code == 204
    results = [(response.status_code, response.json["code"]) for response in responses]
    assert results == [(401, "invalid_code")] * 3
