"""MFA reset: scheduled by an operator, cancelled by the user, impossible with a mailbox alone."""

from datetime import datetime, timedelta

import pytest

from gatehouse.database.session import db
from gatehouse.mfa import reset
from gatehouse.mfa.errors import ResetScheduled
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.request_context import NO_REQUEST
from models import Credential, OneTimeCode, Session, User
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    change_email,
    list_templates,
    read_messages,
    read_revert_token,
    request_reset_mail,
    verify_phone,
)
from tests.account.conftest import reset_password as choose_password
from tests.client import PASSWORD
from tests.mail_links import read_mail, token_of
from tests.mfa.recovery import recover, run_cleanup
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

CANCEL = "/auth/mfa/reset/cancel"


@pytest.fixture
def ada(client, make_user):
    """A user with TOTP who is signed in at AAL2."""
    user = make_user(email=ADA, factors=["totp"])
    client.complete_mfa(user, client.log_in(user))
    return user


def schedule_reset(app, identifier=ADA):
    return app.test_cli_runner().invoke(args=["users", "reset-mfa", identifier])


def cancellation_token(client):
    return token_of(read_messages(client, ADA, "notice_mfa_reset")[0]["link"])


def is_mfa_required(client, user):
    return client.log_in(user)["status"] == "mfa_required"


@pytest.mark.requirement("RG-05")
def test_reset_notification_is_not_limited_per_hour(client, app, ada):
    for _ in range(4):
        assert schedule_reset(app).exit_code == 0
        cancelled = client.post(CANCEL, {"token": cancellation_token(client)})
        assert cancelled.status_code == 204

    assert len(read_messages(client, ADA, "notice_mfa_reset")) == 4


@pytest.mark.stores
@pytest.mark.requirement("MF-09")
def test_reset_removes_the_factors_after_the_delay_and_not_before(app, client, ada, wait):
    tokens = ada.tokens
    assert schedule_reset(app).exit_code == 0
    wait(hours=23, minutes=59)
    run_cleanup(app)
    assert is_mfa_required(client, ada)

    wait(minutes=2)
    run_cleanup(app)

    assert rows(app, Credential) == []
    assert client.log_in(ada)["status"] == "authenticated"
    assert client.refresh(tokens).status_code == 401
    assert {row.end_reason for row in rows(app, Session) if row.ended_at} == {"mfa_reset"}
    assert audited(app, "factor.reset")[0].details["kinds"] == ["recovery_codes", "totp"]
    assert "notice_factor_removed" in list_templates(client, ADA)


def test_reset_revokes_the_trust_of_devices(app, client, make_user, wait):
    user = make_user(email=ADA, factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    schedule_reset(app)
    wait(days=1, seconds=1)
    run_cleanup(app)

    after_reset = client.log_in(user)
    client.enrol_totp(user)

    headers = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": ADA, "password": PASSWORD}
    assert after_reset["status"] == "authenticated"
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"


@pytest.mark.requirement("RG-05")
def test_reset_is_notified_at_every_address_and_number(app, client, ada):
    verify_phone(client, ada.tokens)
    change_email(client, ada.tokens)

    schedule_reset(app, NEW_ADDRESS)

    notifications = [read_messages(client, to, "notice_mfa_reset") for to in (ADA, NEW_ADDRESS)]
    assert [len(found) for found in notifications] == [1, 1]
    assert notifications[0][0]["link"].startswith("http://localhost:8000/cancel-mfa-reset/")
    assert "second factor" in read_messages(client, NUMBER, "sms_notice")[0]["what"]


@pytest.mark.stores
@pytest.mark.requirement("RG-04")
def test_reset_is_cancelled_with_the_link_once(app, client, ada, wait):
    schedule_reset(app)
    token = cancellation_token(client)

    responses = client.in_parallel(20, CANCEL, {"token": token})

    assert sorted(response.status_code for response in responses) == [204] + [401] * 19
    wait(days=2)
    run_cleanup(app)
    assert is_mfa_required(client, ada)
    assert len(audited(app, "factor.reset_cancelled")) == 1
    assert schedule_reset(app).exit_code == 0  # the operator can schedule another one


def test_reset_is_cancelled_by_a_session_with_recent_mfa(app, client, ada, wait):
    schedule_reset(app)

    responses = [client.as_(ada.tokens).delete("/auth/mfa/reset") for _ in range(2)]

    assert [response.status_code for response in responses] == [204, 401]
    wait(days=2)
    run_cleanup(app)
    assert is_mfa_required(client, ada)


def test_reset_is_read_by_its_user_until_it_is_cancelled(app, client, ada, make_user):
    mine, other = client.as_(ada.tokens), client.as_(client.log_in(make_user()))
    before = mine.get("/auth/mfa/reset")
    schedule_reset(app)

    pending, foreign = mine.get("/auth/mfa/reset"), other.get("/auth/mfa/reset")
    mine.delete("/auth/mfa/reset")
    after = mine.get("/auth/mfa/reset")

    assert [response.json["code"] for response in (before, foreign, after)] == ["not_found"] * 3
    times = {name: datetime.fromisoformat(text) for name, text in pending.json.items()}
    delay = times["due_at"] - times["scheduled_at"]
    assert abs(delay - timedelta(hours=24)) < timedelta(minutes=1)


def test_reset_is_not_cancelled_by_a_session_without_recent_mfa(app, client, ada, wait):
    schedule_reset(app)
    wait(minutes=9, seconds=58)
    tokens = client.renew(ada.tokens)
    wait(minutes=1)

    response = client.as_(tokens).delete("/auth/mfa/reset")

    assert response.json["code"] == "insufficient_user_authentication"


@pytest.mark.stores
def test_reset_in_twenty_parallel_calls_is_scheduled_and_executed_once(app, client, ada, wait):
    def schedule():
        with app.app_context():
            try:
                reset.schedule_by_operator(UserChange(users.find_user(ADA).id, NO_REQUEST))
                db.session.commit()
            except ResetScheduled:
                db.session.rollback()
                return 0
            return 1

    assert sum(run_in_parallel(*[schedule] * 20)) == 1
    wait(days=1, seconds=1)
    [row] = rows(app, OneTimeCode, purpose=reset.PURPOSE)

    def execute():
        with app.app_context():
            return reset.execute(row.id, NO_REQUEST)

    assert sum(run_in_parallel(*[execute] * 20)) == 1
    assert len(audited(app, "factor.reset")) == 1
    assert client.post(CANCEL, {"token": cancellation_token(client)}).status_code == 401


def test_reset_needs_an_account_with_a_second_factor(app, client, make_user):
    make_user(email=ADA)

    outputs = [schedule_reset(app, email).output for email in (ADA, "unknown@example.com")]

    assert outputs == [
        "Error: ada@example.com has no second factor.\n",
        "Error: unknown@example.com has no account.\n",
    ]
    assert rows(app, OneTimeCode, purpose=reset.PURPOSE) == []


def test_reset_by_an_operator_is_not_aborted_by_a_password_reset(app, client, ada, wait):
    """A user who lost everything resets the password meanwhile, too."""
    schedule_reset(app)
    choose_password(client, token=request_reset_mail(client)["token"])
    wait(days=1, seconds=1)
    run_cleanup(app)

    ada.password = NEW
    assert client.log_in(ada)["status"] == "authenticated"


@pytest.mark.requirement("SE-06")
@pytest.mark.parametrize("by", ["owner", "administrator"])
def test_reset_that_a_user_scheduled_stops_while_the_account_is_disabled(
    app, client, sign_in_as, wait, by
):
    """An intruder scheduled it, and the account is disabled for that."""
    intruded = sign_in_as("admin", email=ADA)
    other = sign_in_as("admin", email="other@example.com")
    path = f"/admin/users/{rows(app, User, email=ADA)[0].id}"
    if by == "owner":
        assert recover(client).status_code == 200
    else:
        assert intruded.post(f"{path}/reset-mfa", {"reason": "x"}).status_code == 202
    assert other.post(f"{path}/disable", {"reason": "x"}).status_code == 200
    wait(days=1, seconds=1)

    run_cleanup(app)

    [user] = rows(app, User, email=ADA)
    assert "totp" in {row.kind for row in rows(app, Credential, user_id=user.id)}
    assert audited(app, "factor.reset_aborted")[0].user_id == user.id


def test_reset_by_an_operator_is_executed_while_the_account_is_disabled(app, client, ada, wait):
    schedule_reset(app)
    args = ["users", "disable", ADA, "--reason", "x"]
    assert app.test_cli_runner().invoke(args=args).exit_code == 0
    wait(days=1, seconds=1)

    run_cleanup(app)

    assert rows(app, Credential) == []


@pytest.mark.requirement("MF-09")
@pytest.mark.settings(GATEHOUSE_MFA_RESET_DELAY="0")
def test_reset_without_a_delay_is_executed_immediately(app, client, ada):
    assert schedule_reset(app).exit_code == 0
    assert client.log_in(ada)["status"] == "authenticated"


def test_reset_page_states_when_the_reset_is_due(app, client, ada):
    schedule_reset(app)
    path = (
        read_messages(client, ADA, "notice_mfa_reset")[0]["link"]
        .partition("8000")[2]
        .partition("#")[0]
    )

    pages = [client.get(path, headers={"Accept-Language": tag}) for tag in ("en", "de")]

    assert [page.status_code for page in pages] == [200, 200]
    assert "Your second factors will be removed on" in pages[0].text
    assert "Ihre zweiten Faktoren sollen entfernt werden" in pages[1].text
    assert "Entfernen abbrechen" in pages[1].text
    assert client.post(CANCEL, {"token": cancellation_token(client)}).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.requirement("RG-04")
def test_reset_is_impossible_with_a_mailbox_alone(app, client, ada):
    """After a password reset, a login link, or a reverted e-mail change, logins still need MFA."""
    before = [row.id for row in rows(app, Credential)]

    def log_in_by_email():
        token = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
        form = {"login_token": token, "code": read_mail(client, ADA)["code"]}
        return client.post("/auth/login/link/verify", form).json["status"]

    statuses = [log_in_by_email()]
    change_email(client, ada.tokens)
    assert client.post("/auth/email/undo", {"token": read_revert_token(client)}).status_code == 204
    statuses.append(log_in_by_email())
    assert choose_password(client, token=request_reset_mail(client)["token"]).status_code == 204
    ada.password = NEW
    statuses += [client.log_in(ada)["status"], log_in_by_email()]

    assert statuses == ["mfa_required"] * 4
    assert [row.id for row in rows(app, Credential)] == before
    rejected = client.post("/auth/mfa/factors", {"kind": "totp"})
    assert rejected.status_code == 401


@pytest.mark.requirement("RG-04")
def test_reverted_email_change_does_not_remove_a_replaced_factor(app, client, ada, wait):
    """The new phone was enrolled after verifying the old one, so it is the user's."""
    change_email(client, ada.tokens)
    [old] = rows(app, Credential, kind="totp")
    wait(seconds=30)
    client.enrol_totp(ada, "New phone")
    ada.tokens = client.renew(ada.tokens)
    removed = client.as_(ada.tokens).delete(f"/auth/mfa/factors/{old.id}")
    assert removed.status_code == 204

    assert client.post("/auth/email/undo", {"token": read_revert_token(client)}).status_code == 204
    assert choose_password(client, token=request_reset_mail(client)["token"]).status_code == 204

    ada.password = NEW
    assert is_mfa_required(client, ada)
