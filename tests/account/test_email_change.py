"""E-mail change: the new address is verified, the old one is notified and can revert it."""

from datetime import UTC, datetime
from functools import partial
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from gatehouse.core.errors import ServiceBusy
from gatehouse.database.session import db
from gatehouse.passwords import service as passwords
from models import Credential, Device, OneTimeCode, Password, Session
from models import User as UserRow
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    change_email,
    list_templates,
    log_in,
    read_messages,
    read_revert_token,
    request_reset,
    request_reset_mail,
    reset_password,
    status_and_code,
    verify_phone,
)
from tests.client import PASSWORD, Client, User
from tests.mail_links import advance_clock, token_of, wrong_code
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

INVALID = (401, "invalid_code")
THIRD_ADDRESS = "ada@third.example"


@pytest.fixture
def tokens(client, ada):
    return client.log_in(ada)


def request_change(client, tokens, to=NEW_ADDRESS):
    """Request an e-mail change; return the variables of the e-mail and the link's `token`."""
    assert status_and_code(client.as_(tokens).post("/auth/email/change", {"email": to})) == (
        202,
        "sent",
    )
    variables = read_messages(client, to, "email_change")[0]
    return variables | {"token": token_of(variables["link"])}


def by_code(client, email, code, password=PASSWORD):
    form = {"email": email, "code": code, "password": password}
    return client.post("/auth/email/verify", form)


def by_session(client, tokens, email, code):
    return client.as_(tokens).post("/auth/email/verify", {"email": email, "code": code})


def by_link(client, token, password=PASSWORD):
    return client.post("/auth/email/verify", {"token": token, "password": password})


def revert(client, token):
    return client.post("/auth/email/undo", {"token": token})


def list_emails(app):
    return [user.email for user in rows(app, UserRow)]


@pytest.mark.requirement("RG-09")
@pytest.mark.stores
@pytest.mark.parametrize("way", ["session", "password", "link"])
def test_email_change_applies_only_after_verification(app, client, tokens, way):
    mail = request_change(client, tokens)
    before = (
        list_emails(app),
        log_in(client, NEW_ADDRESS, PASSWORD),
        log_in(client, ADA, PASSWORD),
    )

    if way == "session":
        response = by_session(client, tokens, NEW_ADDRESS, mail["code"])
    elif way == "password":
        response = by_code(client, NEW_ADDRESS, mail["code"])
    else:
        response = by_link(client, mail["token"])

    assert before == ([ADA], 401, 200)
    assert status_and_code(response) == (200, "verified")
    assert list_emails(app) == [NEW_ADDRESS]
    assert (log_in(client, NEW_ADDRESS, PASSWORD), log_in(client, ADA, PASSWORD)) == (200, 401)
    assert client.as_(tokens).get("/auth/me").json["email"] == NEW_ADDRESS


@pytest.mark.requirement("RG-09")
@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", "/auth/email/change", {"email": NEW_ADDRESS}),
        ("POST", "/auth/phone", {"phone": NUMBER}),
        ("POST", "/auth/phone/verify", {"phone": NUMBER, "code": "123456"}),
        ("DELETE", "/auth/phone", None),
    ],
)
def test_email_and_phone_changes_need_recent_authentication(client, ada, method, path, form):
    tokens = client.log_in(ada)
    with advance_clock(minutes=11):
        tokens = client.renew(tokens)
        mine = client.as_(tokens)
        response = mine.delete(path) if method == "DELETE" else mine.post(path, form)

    assert status_and_code(response) == (401, "insufficient_user_authentication")
    assert client.mailbox(to=NEW_ADDRESS) == client.mailbox(to=NUMBER) == []


@pytest.mark.requirement("RG-05")
@pytest.mark.stores
def test_email_change_notifies_old_and_new_address(client, tokens):
    change_email(client, tokens)

    assert list_templates(client, ADA)[-2:] == ["email_change_asked", "notice_email_changed"]
    assert list_templates(client, NEW_ADDRESS) == ["email_change", "notice_email_changed"]
    old = read_messages(client, ADA, "notice_email_changed")[0]
    new = read_messages(client, NEW_ADDRESS, "notice_email_changed")[0]
    assert old["new_address"] == NEW_ADDRESS
    assert "/undo-email/" in old["link"]
    assert new["link"].endswith("/forgot-password")  # the new address cannot revert


@pytest.mark.requirement("RL-07")
def test_email_change_to_the_address_of_another_user_gets_the_same_response_and_no_email(
    app, client, tokens, make_user
):
    bob = make_user()
    before = client.mailbox(to=bob.email)

    taken = client.as_(tokens).post("/auth/email/change", {"email": bob.email})
    free = client.as_(tokens).post("/auth/email/change", {"email": NEW_ADDRESS})

    assert status_and_code(taken) == status_and_code(free) == (202, "sent")
    assert taken.text == free.text
    assert client.mailbox(to=bob.email) == before
    assert len(audited(app, "email.taken")) == 1


@pytest.mark.requirement("RL-07")
def test_email_change_request_over_the_limit_treats_taken_and_free_addresses_alike(
    client, make_user
):
    statuses = {}
    for kind, target in (("taken", make_user().email), ("free", "free@example.com")):
        tokens = client.log_in(make_user())
        path, own = "/auth/email/change", f"own-{kind}@example.com"
        for _ in range(3):
            client.as_(tokens).post(path, {"email": target})
        mail = request_change(client, tokens, own)
        client.as_(tokens).post(path, {"email": target})

        statuses[kind] = by_code(client, own, mail["code"]).status_code

    assert statuses == {"taken": 200, "free": 200}  # it voids no older code


def test_email_change_fails_with_wrong_code_link_or_password(app, client, tokens):
    mail = request_change(client, tokens)

    responses = [by_code(client, NEW_ADDRESS, wrong_code(mail["code"])), by_link(client, "x" * 43)]
    wrong = by_link(client, mail["token"], "not the password of hers")

    assert [status_and_code(response) for response in responses] == [INVALID] * 2
    assert status_and_code(wrong) == (401, "invalid_credentials")
    assert list_emails(app) == [ADA]


@pytest.mark.requirement("RG-01")
def test_email_change_code_alone_verifies_nothing(app, client, tokens):
    """A neighbour may have requested the change to the address of the one who enters the code."""
    mail = request_change(client, tokens)

    response = client.post("/auth/email/verify", {"email": NEW_ADDRESS, "code": mail["code"]})

    assert status_and_code(response) == (401, "token_missing")
    assert list_emails(app) == [ADA]


@pytest.mark.requirement("RG-01")
def test_email_change_code_needs_a_session_of_the_account(app, client, tokens, make_user):
    code = request_change(client, tokens)["code"]
    bobs = client.log_in(make_user(email="bob@example.com"))
    ended = client.log_in(User(ADA))
    client.as_(ended).post("/auth/logout")
    before = list_emails(app)

    responses = [
        by_session(client, bobs, NEW_ADDRESS, code),
        by_session(client, ended, NEW_ADDRESS, code),
        by_session(client, tokens, "bob@example.com", code),
        by_session(client, "no token", NEW_ADDRESS, code),
    ]

    expected = [INVALID, (401, "token_revoked"), INVALID, (401, "token_invalid")]
    assert [status_and_code(response) for response in responses] == expected
    assert list_emails(app) == before
    assert status_and_code(by_session(client, tokens, NEW_ADDRESS, code)) == (200, "verified")


@pytest.mark.requirement("SE-10")
def test_email_change_by_cookie_needs_the_csrf_token(browser_client, ada):
    mine = browser_client.as_(browser_client.log_in(ada))
    assert mine.post("/auth/email/change", {"email": NEW_ADDRESS}).status_code == 202
    code = read_messages(mine, NEW_ADDRESS, "email_change")[0]["code"]
    form = {"email": NEW_ADDRESS, "code": code}

    forged = mine.post("/auth/email/verify", form, headers={"X-CSRF-Token": "forged"})
    genuine = mine.post("/auth/email/verify", form)

    assert status_and_code(forged) == (403, "csrf_failed")
    assert status_and_code(genuine) == (200, "verified")


@pytest.mark.requirement("RL-02")
def test_email_change_by_session_survives_wrong_codes_of_strangers(client, tokens):
    code = request_change(client, tokens)["code"]
    for number in range(100):
        sender = {"REMOTE_ADDR": f"203.0.{number // 20}.9"}
        form = {"email": NEW_ADDRESS, "code": wrong_code(code), "password": PASSWORD}
        client.post("/auth/email/verify", form, environ_overrides=sender)

    assert status_and_code(by_session(client, tokens, NEW_ADDRESS, code)) == (200, "verified")


@pytest.mark.requirement("RL-03")
def test_email_change_by_session_allows_five_attempts(client, tokens):
    code = request_change(client, tokens)["code"]

    wrong = [by_session(client, tokens, NEW_ADDRESS, wrong_code(code)) for _ in range(5)]

    assert {status_and_code(response) for response in wrong} == {INVALID}
    assert status_and_code(by_session(client, tokens, NEW_ADDRESS, code)) == INVALID


@pytest.mark.requirement("RG-01", "RL-03")
def test_email_change_code_needs_the_account_password(app, client, tokens):
    code = request_change(client, tokens)["code"]

    wrong = by_code(client, NEW_ADDRESS, code, password="not her password at all")
    counted = [event.name for event in audited(app, "registration.verification_failed")]
    right = by_code(client, NEW_ADDRESS, code, password=PASSWORD)

    assert (status_and_code(wrong), status_and_code(right)) == (
        (401, "invalid_credentials"),
        (200, "verified"),
    )
    assert counted == ["registration.verification_failed"]
    assert list_emails(app) == [NEW_ADDRESS]


@pytest.mark.requirement("RL-03")
def test_email_change_code_stays_valid_while_password_attempts_are_throttled(
    app, client, tokens, wait
):
    code = request_change(client, tokens)["code"]
    for _ in range(5):
        log_in(client, ADA, "not her password at all")

    responses = [by_code(client, NEW_ADDRESS, code, password=PASSWORD) for _ in range(6)]
    wait(seconds=31)

    assert [response.status_code for response in responses] == [429] * 6
    assert status_and_code(by_code(client, NEW_ADDRESS, code, password=PASSWORD)) == (
        200,
        "verified",
    )
    assert list_emails(app) == [NEW_ADDRESS]


@pytest.mark.requirement("RL-03")
def test_email_change_code_stays_valid_while_hashing_is_busy(client, tokens, monkeypatch):
    code = request_change(client, tokens)["code"]

    with monkeypatch.context() as busy:
        busy.setattr(passwords, "verify_password", Mock(side_effect=ServiceBusy))
        responses = [by_code(client, NEW_ADDRESS, code, password=PASSWORD) for _ in range(6)]

    assert [response.status_code for response in responses] == [503] * 6
    assert status_and_code(by_code(client, NEW_ADDRESS, code, password=PASSWORD)) == (
        200,
        "verified",
    )


@pytest.mark.requirement("RL-03")
def test_email_change_password_attempts_count_with_those_of_the_login(client, tokens):
    code = request_change(client, tokens)["code"]
    wrong = ("a wrong password too", "a wrong one again", "wrong a third time", "and a fourth")

    with_code = [by_code(client, NEW_ADDRESS, code, password=password) for password in wrong]
    login = log_in(client, ADA, "not her password at all")

    assert [status_and_code(response) for response in with_code] == [
        (401, "invalid_credentials")
    ] * 4
    assert (login, log_in(client, ADA, PASSWORD)) == (401, 429)


@pytest.mark.parametrize(("minutes", "expected"), [(59, 200), (61, 401)])
def test_email_change_code_expires_after_an_hour(client, tokens, minutes, expected):
    mail = request_change(client, tokens)

    with advance_clock(minutes=minutes):
        assert by_code(client, NEW_ADDRESS, mail["code"]).status_code == expected


@pytest.mark.requirement("RG-01")
@pytest.mark.stores
def test_email_change_request_voids_the_previous_one(app, client, tokens):
    mistyped, intended = (
        request_change(client, tokens, "ada@typo.example"),
        request_change(client, tokens),
    )

    outdated = by_code(client, "ada@typo.example", mistyped["code"])

    assert status_and_code(outdated) == INVALID
    assert by_code(client, NEW_ADDRESS, intended["code"]).status_code == 200
    assert list_emails(app) == [NEW_ADDRESS]


@pytest.mark.stores
def test_email_change_verified_twenty_times_in_parallel_happens_once(app, client, tokens):
    mail = request_change(client, tokens)
    form = {"email": NEW_ADDRESS, "code": mail["code"], "password": PASSWORD}

    responses = client.in_parallel(20, "/auth/email/verify", form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert len(audited(app, "email.changed")) == 1


@pytest.mark.stores
def test_email_change_fails_if_the_address_got_an_account_meanwhile(app, client, tokens):
    mail = request_change(client, tokens)
    client.register(NEW_ADDRESS, NEW)
    registered = read_messages(client, NEW_ADDRESS, "verify_email")[0]
    by_code(client, NEW_ADDRESS, registered["code"], NEW)

    late = by_code(client, NEW_ADDRESS, mail["code"])

    assert status_and_code(late) == INVALID
    assert list_emails(app) == [ADA, NEW_ADDRESS]
    assert log_in(client, NEW_ADDRESS, NEW) == 200


@pytest.mark.stores
def test_email_change_and_registration_verified_in_parallel_make_one_owner(app, client, tokens):
    mail = request_change(client, tokens)
    client.register(NEW_ADDRESS, NEW)
    registered = read_messages(client, NEW_ADDRESS, "verify_email")[0]
    clients = [Client(app.test_client) for _ in range(2)]

    responses = run_in_parallel(
        partial(by_code, clients[0], NEW_ADDRESS, mail["code"]),
        partial(by_code, clients[1], NEW_ADDRESS, registered["code"], NEW),
    )

    assert sorted(response.status_code for response in responses) == [200, 401]
    assert [email for email in list_emails(app) if email == NEW_ADDRESS] == [NEW_ADDRESS]


@pytest.mark.requirement("RG-08")
def test_email_change_voids_pending_registrations_of_the_new_address(app, client, tokens):
    client.register(NEW_ADDRESS, NEW)
    mail = read_messages(client, NEW_ADDRESS, "verify_email")[0]

    change_email(client, tokens)

    assert status_and_code(by_code(client, NEW_ADDRESS, mail["code"], NEW)) == INVALID
    assert status_and_code(by_link(client, token_of(mail["link"]), NEW)) == INVALID
    assert log_in(client, NEW_ADDRESS, NEW) == 401


def test_email_change_voids_a_pending_password_reset(client, tokens):
    mail = request_reset_mail(client)

    change_email(client, tokens)

    assert status_and_code(reset_password(client, token=mail["token"])) == INVALID


@pytest.mark.requirement("RG-08")
def test_email_change_rejects_malformed_addresses(client, tokens):
    malformed = [
        "ada@example.com\r\nBcc: x@example.com",
        '"a b"@example.com',
        "=?utf-8?q?a?=@example.com",
    ]

    responses = [
        client.as_(tokens).post("/auth/email/change", {"email": text}) for text in malformed
    ]

    assert {status_and_code(response) for response in responses} == {(422, "validation_failed")}


# Revert


@pytest.mark.requirement("RG-05")
@pytest.mark.stores
def test_email_revert_restores_the_address_and_revokes_all_access(app, client, tokens):
    change_email(client, tokens)

    response = revert(client, read_revert_token(client))

    assert (response.status_code, response.data) == (204, b"")
    assert list_emails(app) == [ADA]
    assert status_and_code(client.as_(tokens).get("/auth/me")) == (401, "token_revoked")
    assert {session.end_reason for session in rows(app, Session)} == {"email_undone"}
    assert rows(app, Device) == rows(app, Password) == []


@pytest.mark.stores
def test_email_revert_deletes_the_password(client, tokens):
    change_email(client, tokens)
    revert(client, read_revert_token(client))
    before_reset = [log_in(client, name, PASSWORD) for name in (ADA, NEW_ADDRESS, "ada")]

    reset_password(client, token=request_reset_mail(client)["token"])

    assert before_reset == [401, 401, 401]
    assert log_in(client, ADA, NEW) == 200


def test_email_revert_link_works_once(client, tokens):
    change_email(client, tokens)
    token = read_revert_token(client)

    assert [revert(client, token).status_code for _ in range(2)] == [204, 401]


@pytest.mark.parametrize(("hours", "status"), [(71, 204), (73, 401)])
def test_email_revert_link_expires_after_72_hours(client, tokens, hours, status):
    change_email(client, tokens)

    with advance_clock(hours=hours):
        assert revert(client, read_revert_token(client)).status_code == status


@pytest.mark.stores
def test_email_revert_by_the_first_address_works_after_a_second_change(app, client, tokens):
    change_email(client, tokens)
    first = read_revert_token(client)
    change_email(client, tokens, THIRD_ADDRESS)
    second = read_revert_token(client, NEW_ADDRESS)

    assert revert(client, first).status_code == 204

    assert list_emails(app) == [ADA]
    assert status_and_code(revert(client, second)) == INVALID  # an attacker's address cannot revert


def test_email_revert_of_a_second_change_keeps_the_link_of_the_first(app, client, tokens):
    change_email(client, tokens)
    first = read_revert_token(client)
    change_email(client, tokens, THIRD_ADDRESS)

    assert revert(client, read_revert_token(client, NEW_ADDRESS)).status_code == 204
    assert list_emails(app) == [NEW_ADDRESS]
    assert revert(client, first).status_code == 204
    assert list_emails(app) == [ADA]


def test_email_revert_fails_if_the_old_address_has_a_new_account(app, client, tokens):
    change_email(client, tokens)
    token = read_revert_token(client)
    client.register(ADA, NEW)
    client.verify(ADA)

    assert status_and_code(revert(client, token)) == INVALID
    assert list_emails(app) == [NEW_ADDRESS, ADA]


@pytest.mark.stores
def test_email_revert_removes_phone_and_factors_added_after_the_change(app, client, tokens):
    change_email(client, tokens)
    verify_phone(client, tokens)
    [user] = rows(app, UserRow)
    with app.app_context():
        passkey = Credential(user_id=user.id, kind="passkey", label="attacker's", data=b"")
        db.session.add(passkey)
        db.session.commit()

    revert(client, read_revert_token(client))

    [user] = rows(app, UserRow)
    assert (user.phone, user.phone_verified_at, rows(app, Credential)) == (None, None, [])


def test_email_revert_keeps_phone_and_factors_from_before_the_change(app, client, tokens):
    verify_phone(client, tokens)
    [user] = rows(app, UserRow)
    with app.app_context():
        factor = Credential(user_id=user.id, kind="totp", label="Ada's", data=b"")
        db.session.add(factor)
        db.session.commit()
    change_email(client, tokens)

    revert(client, read_revert_token(client))

    assert rows(app, UserRow)[0].phone == NUMBER
    assert [row.label for row in rows(app, Credential)] == ["Ada's"]


def test_email_revert_link_survives_a_password_reset(app, client, tokens):
    change_email(client, tokens)
    request_reset(client, email=NEW_ADDRESS)
    mail = read_messages(client, NEW_ADDRESS, "password_reset")[0]
    reset_password(client, token=token_of(mail["link"]))

    assert list_templates(client, ADA)[-1] == "notice_password_reset"  # the old address is notified
    assert revert(client, read_revert_token(client)).status_code == 204
    assert list_emails(app) == [ADA]


@pytest.mark.stores
def test_email_revert_sent_twenty_times_in_parallel_happens_once(app, client, tokens):
    change_email(client, tokens)

    responses = client.in_parallel(20, "/auth/email/undo", {"token": read_revert_token(client)})

    assert sorted(response.status_code for response in responses) == [204] + [401] * 19
    assert len(audited(app, "email.change_reverted")) == 1


@pytest.mark.stores
def test_email_change_and_password_reset_in_parallel_leave_one_result(app, client, tokens):
    change = request_change(client, tokens)
    mail = request_reset_mail(client)
    clients = [Client(app.test_client) for _ in range(2)]

    responses = run_in_parallel(
        partial(by_code, clients[0], NEW_ADDRESS, change["code"]),
        partial(reset_password, clients[1], token=mail["token"]),
    )

    assert sorted(response.status_code for response in responses) in ([200, 401], [204, 401])
    assert rows(app, OneTimeCode, purpose="reset") == []


def test_email_change_from_an_unverified_address_creates_no_revert_link(app, client, tokens):
    with app.app_context():
        db.session.execute(sa.update(UserRow).values(email_verified_at=None))
        db.session.commit()

    with app.app_context():
        assert rows(app, UserRow)[0].email_verified_at is None
    change_email(client, tokens)

    assert rows(app, OneTimeCode) == []
    assert rows(app, UserRow)[0].email_verified_at <= datetime.now(UTC)
