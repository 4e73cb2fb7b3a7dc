"""POST /admin/users/{id}/...: disable, enable, unlock, end sessions, reset password and MFA."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gatehouse.mfa import reset
from gatehouse.operations import cleanup
from gatehouse.users import administration
from models import OneTimeCode, User
from tests.admin.conftest import ADA, REASON, outcome
from tests.client import Client
from tests.client import User as Person
from tests.parallel import run_in_parallel
from tests.polling import wait_until
from tests.rows import audited, rows
from tests.tokens.forgery import case


def log_in(client, user, **request):
    form = {"identifier": user.email, "password": user.password}
    return outcome(client.post("/auth/login", form, **request))


@pytest.mark.requirement("SE-06")
@pytest.mark.requirement("JW-12")
def test_disabled_user_is_rejected_everywhere(client, app, support, path_of, make_user):
    user = make_user(email=ADA, factors=["totp"])
    pending = client.log_in(user)
    signed_in = client.as_(client.complete_mfa(user, client.log_in(user)))
    link = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
    mail = client.mailbox(to=ADA)[0]["variables"]

    disabled = support.post(path_of(ADA, "disable"), REASON)

    assert (disabled.status_code, disabled.json["status"]) == (200, "disabled")
    assert disabled.json["disabled_reason"] == REASON["reason"]
    code = {"mfa_token": pending["mfa_token"], "factor": "totp", "code": user.totp(1)}
    requests = {
        "access token": (signed_in.get("/auth/me"), (401, "token_revoked")),
        "gateway": (signed_in.get("/gateway/verify"), (401, "token_revoked")),
        "step-up": (
            signed_in.post("/auth/reauthenticate", {"password": user.password}),
            (401, "token_revoked"),
        ),
        "refresh": (client.refresh(user.tokens), (401, "session_ended")),
        "second step": (client.post("/auth/login/mfa", code), (401, "invalid_code")),
        "login link": (
            client.post("/auth/login/link/verify", {"login_token": link, "code": mail["code"]}),
            (401, "invalid_code"),
        ),
    }
    for name, (response, expected) in requests.items():
        with case(request=name):
            assert outcome(response) == expected
    assert log_in(client, user) == (403, "account_disabled")
    assert rows(app, OneTimeCode) == []
    [event] = audited(app, "user.disabled")
    assert event.details == {"reason": REASON["reason"], "until": None}
    assert support.post(path_of(ADA, "enable")).json["status"] == "active"
    assert log_in(client, user) == (200, None)


def test_user_is_disabled_until_a_time(client, support, ada, path_of):
    until = datetime.now(UTC) + timedelta(hours=2)
    form = REASON | {"until": until.isoformat(timespec="seconds")}

    answer = support.post(path_of(ADA, "disable"), form)

    assert answer.json["disabled_until"] == f"{until:%Y-%m-%dT%H:%M:%S}.000Z"
    for value in ("2020-01-01T00:00:00Z", "2030-01-01", "2030-01-01T00:00:00", "soon", 5, None):
        with case(value=value):
            form = REASON | {"until": value}
            assert outcome(support.post(path_of(ADA, "disable"), form))[0] == 422
    assert outcome(support.post(path_of(ADA, "disable"), {}))[0] == 422


def test_deleted_users_keep_no_other_user_disabled(
    app, admin, ada, path_of, make_user, wait, monkeypatch
):
    bob = make_user(email="bob@example.com").email
    form = REASON | {"until": (datetime.now(UTC) + timedelta(hours=2)).isoformat()}
    for email in (ADA, bob):
        assert admin.post(path_of(email, "disable"), form).status_code == 200
    assert admin.delete(path_of(ADA), headers={"If-Match": "*"}).status_code == 204
    monkeypatch.setattr(administration, "BATCH_SIZE", 1)

    wait(hours=3)
    with app.app_context():
        cleanup.run_cleanup()

    [user] = rows(app, User, email=bob)
    assert user.disabled_at is None


@pytest.mark.stores
def test_disable_beside_logins_leaves_no_session(app, client, support, ada, path_of):
    path = path_of(ADA, "disable")

    def disable():
        return Client(app.test_client, support._bearer).post(path, REASON).status_code

    def enter():
        return log_in(Client(app.test_client), ada)[0]

    statuses = run_in_parallel(disable, *[enter] * 10, disable)

    assert (statuses[0], statuses[-1]) == (200, 200)
    assert set(statuses[1:-1]) <= {200, 403, 429}  # parallel attempts count as failures at first
    sessions = support.get(path_of(ADA, "sessions")).json["items"]
    assert sessions == []


@pytest.mark.stores
@pytest.mark.requirement("AZ-04")
def test_administrators_who_disable_each_other_do_not_wait_for_each_other(app, sign_in_as, path_of):
    names = ("one@example.com", "two@example.com")
    administrators = [sign_in_as("admin", email=name) for name in names]
    paths = [path_of(name, "disable") for name in reversed(names)]

    def disable(number):
        own = Client(app.test_client, administrators[number]._bearer)
        return outcome(own.post(paths[number], REASON))

    outcomes = run_in_parallel(lambda: disable(0), lambda: disable(1))

    assert sorted(outcomes, key=str)[0] == (200, None)
    assert sorted(outcomes, key=str)[1][0] == 401
    assert len(audited(app, "user.disabled")) == 1


@pytest.mark.requirement("SE-06")
def test_disabled_user_is_out_within_a_second_in_every_worker(app, live, make_user):
    """Another process disables the user; requests reach either of the server's two workers."""
    user = make_user(email=ADA)

    def is_out_within_a_second():
        tokens = live.client.log_in(user)
        mine = [live.client.as_(tokens) for _ in range(8)]
        assert {one.get("/auth/me").status_code for one in mine} == {200}
        command(app, "disable", ADA, "--reason", "stolen")
        disabled_at = time.monotonic()
        wait_until(lambda: {one.get("/auth/me").status_code for one in mine} == {401})
        command(app, "enable", ADA)
        return time.monotonic() - disabled_at < 1

    wait_until(is_out_within_a_second)


def command(app, *arguments):
    assert app.test_cli_runner().invoke(args=["users", *arguments]).exit_code == 0


def test_unlocked_user_can_try_again(client, support, ada, path_of):
    wrong = {"identifier": ADA, "password": "not her password at all"}
    device = {"X-Device-Token": ada.tokens["device_token"]}
    for _ in range(5):
        client.post("/auth/login", wrong, headers=device)
    before = log_in(client, ada, headers=device)

    assert support.post(path_of(ADA, "unlock"), REASON).status_code == 200

    assert before == (429, "too_many_attempts")
    assert log_in(client, ada, headers=device) == (200, None)


@pytest.mark.requirement("SE-08")
def test_administrator_ends_one_session_or_all(client, app, support, ada, path_of, make_user):
    first, second = ada.tokens, client.log_in(ada)
    bob = make_user(email="bob@example.com")
    client.log_in(bob)
    foreign = support.get(path_of("bob@example.com", "sessions")).json["items"][0]["id"]
    [newest, _] = support.get(path_of(ADA, "sessions")).json["items"]
    path = path_of(ADA, "revoke-sessions")

    assert outcome(support.post(path, {"session_id": foreign})) == (404, "not_found")
    assert support.post(path, {"session_id": newest["id"]} | REASON).status_code == 204
    statuses = [client.as_(one).get("/auth/me").status_code for one in (first, second)]
    assert statuses == [200, 401]
    assert support.post(path).status_code == 204
    assert client.refresh(first).json["code"] == "session_ended"
    assert client.as_(bob.tokens).get("/auth/me").status_code == 200
    assert audited(app, "user.sessions_ended")[0].details == REASON


@pytest.mark.requirement("PW-13")
def test_new_password_is_required_and_chosen_by_the_user(client, support, ada, path_of):
    path = path_of(ADA, "reset-password")
    assert outcome(support.post(path, {"password": "another long phrase"}))[0] == 422

    answer = support.post(path, REASON)

    assert answer.json["password"] == "change_required"
    assert client.refresh(ada.tokens).json["code"] == "session_ended"
    assert log_in(client, ada) == (403, "password_change_required")
    link = client.mailbox(to=ADA)[0]["variables"]["link"]
    assert link not in answer.text
    new = Person(ADA, "another long phrase instead")
    form = {"token": link.rpartition("#")[2], "password": new.password}
    statuses = [client.post("/auth/password/reset", form).status_code for _ in range(2)]
    assert statuses == [204, 401]
    assert log_in(client, new) == (200, None)


def test_reset_of_factors_is_announced_and_delayed(client, app, support, path_of, make_user):
    user = make_user(email=ADA, factors=["totp"])
    path = path_of(ADA, "reset-mfa")

    answers = [support.post(path, REASON) for _ in range(2)]

    assert outcome(answers[0]) == (202, None)
    assert answers[0].json["due_at"] > f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"
    assert outcome(answers[1]) == (409, "mfa_reset_scheduled")
    assert client.log_in(user)["status"] == "mfa_required"
    assert "notice_mfa_reset" in [message["template"] for message in client.mailbox(to=ADA)]
    assert len(rows(app, OneTimeCode, purpose=reset.PURPOSE)) == 1
    assert audited(app, "factor.reset_scheduled")[0].details["reason"] == REASON["reason"]


def test_reset_of_factors_needs_a_factor(support, ada, path_of):
    assert outcome(support.post(path_of(ADA, "reset-mfa"))) == (409, "no_second_factor")


def test_invitation_is_sent_again_where_no_password_was_ever_chosen(client, support, path_of):
    support.post("/admin/users", {"email": ADA})
    first = client.mailbox(to=ADA)[0]["variables"]["link"].rpartition("#")[2]

    support.post(path_of(ADA, "reset-password"))

    again = client.mailbox(to=ADA)[0]
    second = again["variables"]["link"].rpartition("#")[2]
    form = {"password": "an unlikely phrase 42"}
    assert again["template"] == "invitation"
    assert client.post("/auth/invitation", form | {"token": first}).status_code == 401
    assert client.post("/auth/invitation", form | {"token": second}).status_code == 204


def test_email_that_an_administrator_verified_lets_the_user_log_in(client, support, ada, path_of):
    support.post("/admin/users", {"email": "new@example.com"})
    before = support.get(path_of("new@example.com")).json["status"]

    after = support.post(path_of("new@example.com", "verify-email"), REASON).json["status"]

    assert (before, after) == ("unverified", "active")


@pytest.mark.requirement("SE-06")
def test_user_who_was_disabled_before_stays_disabled_when_restored(client, admin, ada, path_of):
    path = path_of(ADA)
    assert admin.post(f"{path}/disable", REASON).status_code == 200
    assert admin.delete(path, headers={"If-Match": "*"}).status_code == 204

    restored = admin.post(f"{path}/restore").json

    assert (restored["status"], restored["disabled_reason"]) == ("disabled", REASON["reason"])
    assert log_in(client, ada) == (403, "account_disabled")
