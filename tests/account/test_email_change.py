"""Another address: proved where it is, told to the old one, and undone from there."""

from datetime import UTC, datetime
from functools import partial
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from gatehouse.core.errors import ServiceBusy
from gatehouse.database.session import db
from models import Challenge, Credential, Device, Password, Session, User
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    change_email,
    forgot,
    log_in,
    mails,
    prove_phone,
    reset,
    reset_mail,
    templates,
    told,
    undo_token,
)
from tests.client import PASSWORD, Client
from tests.letters import later, other_code, token_of
from tests.rows import audited, rows
from tests.together import at_once

INVALID = (401, "invalid_code")
THIRD_ADDRESS = "ada@third.example"
ELSEWHERE = "198.51.100.1"


@pytest.fixture
def tokens(client, ada):
    return client.log_in(ada)


def ask(client, tokens, to=NEW_ADDRESS):
    """Ask for another address, and return what the mail there says."""
    assert told(client.as_(tokens).post("/auth/email/change", {"email": to})) == (202, "sent")
    found = mails(client, to, "email_change")[0]
    return found | {"token": token_of(found["link"])}


def by_code(client, email, code, address="127.0.0.1", **more):
    form = {"email": email, "code": code, **more}
    sender = {"REMOTE_ADDR": address}
    return client.post("/auth/email/verify", form, environ_overrides=sender)


def by_link(client, token, password=PASSWORD):
    return client.post("/auth/email/verify", {"token": token, "password": password})


def undo(client, token):
    return client.post("/auth/email/undo", {"token": token})


def address(app):
    return [user.email for user in rows(app, User)]


@pytest.mark.requirement("RG-09")
@pytest.mark.stores
@pytest.mark.parametrize("way", ["code", "link"])
def test_a_new_address_is_unused_until_it_is_proved_and_the_old_one_keeps_its_rights(
    app, client, tokens, way
):
    mail = ask(client, tokens)
    before = (address(app), log_in(client, NEW_ADDRESS, PASSWORD), log_in(client, ADA, PASSWORD))

    if way == "code":
        answer = by_code(client, NEW_ADDRESS, mail["code"])
    else:
        answer = by_link(client, mail["token"])

    assert before == ([ADA], 401, 200)
    assert told(answer) == (200, "verified")
    assert address(app) == [NEW_ADDRESS]
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
def test_an_address_is_changed_only_by_who_signed_in_just_now(client, ada, method, path, form):
    tokens = client.log_in(ada)
    with later(minutes=11):
        tokens = client.renew(tokens)
        mine = client.as_(tokens)
        answer = mine.delete(path) if method == "DELETE" else mine.post(path, form)

    assert told(answer) == (401, "insufficient_user_authentication")
    assert client.mailbox(to=NEW_ADDRESS) == client.mailbox(to=NUMBER) == []


@pytest.mark.requirement("RG-05")
@pytest.mark.stores
def test_old_and_new_address_are_told(client, tokens):
    change_email(client, tokens)

    assert templates(client, ADA)[-2:] == ["email_change_asked", "notice_email_changed"]
    assert templates(client, NEW_ADDRESS) == ["email_change", "notice_email_changed"]
    old = mails(client, ADA, "notice_email_changed")[0]
    new = mails(client, NEW_ADDRESS, "notice_email_changed")[0]
    assert old["new_address"] == NEW_ADDRESS
    assert "/undo-email/" in old["link"]
    assert new["link"].endswith("/forgot-password")  # whoever changed it undoes nothing


@pytest.mark.requirement("RL-07")
def test_the_address_of_somebody_else_gets_the_same_answer_and_no_mail(
    app, client, tokens, make_user
):
    bob = make_user()
    before = client.mailbox(to=bob.email)

    taken = client.as_(tokens).post("/auth/email/change", {"email": bob.email})
    free = client.as_(tokens).post("/auth/email/change", {"email": NEW_ADDRESS})

    assert told(taken) == told(free) == (202, "sent")
    assert taken.text == free.text
    assert client.mailbox(to=bob.email) == before
    assert len(audited(app, "email.taken")) == 1


def test_a_wrong_code_and_a_wrong_password_change_nothing(app, client, tokens):
    mail = ask(client, tokens)

    answers = [by_code(client, NEW_ADDRESS, other_code(mail["code"])), by_link(client, "x" * 43)]
    wrong = by_link(client, mail["token"], "not the password of hers")

    assert [told(answer) for answer in answers] == [INVALID] * 2
    assert told(wrong) == (401, "invalid_credentials")
    assert address(app) == [ADA]


@pytest.mark.requirement("RG-01")
def test_who_types_the_code_of_a_strangers_wish_gives_their_address_to_nobody(app, client, tokens):
    wish = ask(client, tokens)

    answer = by_code(client, NEW_ADDRESS, wish["code"], ELSEWHERE)

    assert told(answer) == INVALID
    assert address(app) == [ADA]


@pytest.mark.requirement("RG-01", "RL-03")
def test_a_code_typed_elsewhere_wants_the_accounts_password(app, client, tokens):
    wish = ask(client, tokens)
    code = wish["code"]

    wrong = by_code(client, NEW_ADDRESS, code, ELSEWHERE, password="not her password at all")
    counted = [event.name for event in audited(app, "registration.proof_failed")]
    right = by_code(client, NEW_ADDRESS, code, ELSEWHERE, password=PASSWORD)

    assert (told(wrong), told(right)) == ((401, "invalid_credentials"), (200, "verified"))
    assert counted == ["registration.proof_failed"]
    assert address(app) == [NEW_ADDRESS]


@pytest.mark.requirement("RL-03")
def test_a_password_that_is_not_evaluated_uses_up_no_code(app, client, tokens, wait):
    code = ask(client, tokens)["code"]
    for _ in range(5):
        log_in(client, ADA, "not her password at all")

    waits = [by_code(client, NEW_ADDRESS, code, password=PASSWORD) for _ in range(6)]
    wait(seconds=31)

    assert [answer.status_code for answer in waits] == [429] * 6
    assert told(by_code(client, NEW_ADDRESS, code, password=PASSWORD)) == (200, "verified")
    assert address(app) == [NEW_ADDRESS]


@pytest.mark.requirement("RL-03")
def test_a_password_for_which_no_hash_is_free_uses_up_no_code(client, tokens, monkeypatch):
    code = ask(client, tokens)["code"]

    with monkeypatch.context() as busy:
        busy.setattr("gatehouse.passwords.service.verify", Mock(side_effect=ServiceBusy))
        waits = [by_code(client, NEW_ADDRESS, code, password=PASSWORD) for _ in range(6)]

    assert [answer.status_code for answer in waits] == [503] * 6
    assert told(by_code(client, NEW_ADDRESS, code, password=PASSWORD)) == (200, "verified")


@pytest.mark.requirement("RL-03")
def test_passwords_that_come_with_the_code_share_the_budget_of_all_doors(client, tokens):
    wish = ask(client, tokens)
    sent = ("a wrong password too", "a wrong one again", "wrong a third time", "and a fourth")

    by_the_code = [by_code(client, NEW_ADDRESS, wish["code"], password=typed) for typed in sent]
    login = log_in(client, ADA, "not her password at all")

    assert [told(answer) for answer in by_the_code] == [(401, "invalid_credentials")] * 4
    assert (login, log_in(client, ADA, PASSWORD)) == (401, 429)


@pytest.mark.parametrize(("minutes", "expected"), [(59, 200), (61, 401)])
def test_a_change_can_be_proved_for_an_hour(client, tokens, minutes, expected):
    mail = ask(client, tokens)

    with later(minutes=minutes):
        assert by_code(client, NEW_ADDRESS, mail["code"]).status_code == expected


@pytest.mark.requirement("RG-01")
@pytest.mark.stores
def test_of_two_wishes_the_newer_one_counts(app, client, tokens):
    mistyped, meant = ask(client, tokens, "ada@typo.example"), ask(client, tokens)

    stale = by_code(client, "ada@typo.example", mistyped["code"])

    assert told(stale) == INVALID
    assert by_code(client, NEW_ADDRESS, meant["code"]).status_code == 200
    assert address(app) == [NEW_ADDRESS]


@pytest.mark.stores
def test_a_change_proved_twenty_times_at_once_happens_once(app, client, tokens):
    mail = ask(client, tokens)
    form = {"email": NEW_ADDRESS, "code": mail["code"]}

    answers = client.in_parallel(20, "/auth/email/verify", form)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len(audited(app, "email.changed")) == 1


@pytest.mark.stores
def test_an_address_that_gets_an_account_meanwhile_is_not_taken_from_it(app, client, tokens):
    mail = ask(client, tokens)
    client.register(NEW_ADDRESS, NEW)
    registered = mails(client, NEW_ADDRESS, "verify_email")[0]
    by_code(client, NEW_ADDRESS, registered["code"])

    late = by_code(client, NEW_ADDRESS, mail["code"])

    assert told(late) == INVALID
    assert address(app) == [ADA, NEW_ADDRESS]
    assert log_in(client, NEW_ADDRESS, NEW) == 200


@pytest.mark.stores
def test_a_registration_and_a_change_proved_at_once_make_one_owner(app, client, tokens):
    mail = ask(client, tokens)
    client.register(NEW_ADDRESS, NEW)
    registered = mails(client, NEW_ADDRESS, "verify_email")[0]
    doors = [Client(app.test_client) for _ in range(2)]

    answers = at_once(
        partial(by_code, doors[0], NEW_ADDRESS, mail["code"]),
        partial(by_code, doors[1], NEW_ADDRESS, registered["code"]),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert [email for email in address(app) if email == NEW_ADDRESS] == [NEW_ADDRESS]


@pytest.mark.requirement("RG-08")
def test_a_registration_that_waits_dies_when_its_address_gets_an_account(app, client, tokens):
    client.register(NEW_ADDRESS, NEW)
    his = mails(client, NEW_ADDRESS, "verify_email")[0]

    change_email(client, tokens)

    assert told(by_code(client, NEW_ADDRESS, his["code"])) == INVALID
    assert told(by_link(client, token_of(his["link"]), NEW)) == INVALID
    assert log_in(client, NEW_ADDRESS, NEW) == 401


def test_a_reset_that_was_mailed_to_the_old_address_dies_with_it(client, tokens):
    mail = reset_mail(client)

    change_email(client, tokens)

    assert told(reset(client, token=mail["token"])) == INVALID


@pytest.mark.requirement("RG-08")
def test_an_address_that_is_not_one_is_refused(client, tokens):
    bad = [
        "ada@example.com\r\nBcc: x@example.com",
        '"a b"@example.com',
        "=?utf-8?q?a?=@example.com",
    ]

    answers = [client.as_(tokens).post("/auth/email/change", {"email": text}) for text in bad]

    assert {told(answer) for answer in answers} == {(422, "validation_failed")}


# The undo


@pytest.mark.requirement("RG-05")
@pytest.mark.stores
def test_an_undo_restores_the_address_and_puts_everybody_out(app, client, tokens):
    change_email(client, tokens)

    answer = undo(client, undo_token(client))

    assert (answer.status_code, answer.data) == (204, b"")
    assert address(app) == [ADA]
    assert told(client.as_(tokens).get("/auth/me")) == (401, "token_revoked")
    assert {session.end_reason for session in rows(app, Session)} == {"email_undone"}
    assert rows(app, Device) == rows(app, Password) == []


@pytest.mark.stores
def test_after_an_undo_the_password_opens_nothing_until_a_reset(client, tokens):
    change_email(client, tokens)
    undo(client, undo_token(client))
    dead = [log_in(client, name, PASSWORD) for name in (ADA, NEW_ADDRESS, "ada")]

    reset(client, token=reset_mail(client)["token"])

    assert dead == [401, 401, 401]
    assert log_in(client, ADA, NEW) == 200


def test_an_undo_works_once(client, tokens):
    change_email(client, tokens)
    token = undo_token(client)

    assert [undo(client, token).status_code for _ in range(2)] == [204, 401]


@pytest.mark.parametrize(("hours", "status"), [(71, 204), (73, 401)])
def test_an_undo_works_for_72_hours(client, tokens, hours, status):
    change_email(client, tokens)

    with later(hours=hours):
        assert undo(client, undo_token(client)).status_code == status


@pytest.mark.stores
def test_after_a_second_change_the_first_address_still_takes_its_account_back(app, client, tokens):
    change_email(client, tokens)
    first = undo_token(client)
    change_email(client, tokens, THIRD_ADDRESS)
    second = undo_token(client, NEW_ADDRESS)

    assert undo(client, first).status_code == 204

    assert address(app) == [ADA]
    assert told(undo(client, second)) == INVALID  # a thief's address has no say any more


def test_the_undo_of_a_second_change_leaves_that_of_the_first(app, client, tokens):
    change_email(client, tokens)
    first = undo_token(client)
    change_email(client, tokens, THIRD_ADDRESS)

    assert undo(client, undo_token(client, NEW_ADDRESS)).status_code == 204
    assert address(app) == [NEW_ADDRESS]
    assert undo(client, first).status_code == 204
    assert address(app) == [ADA]


def test_an_old_address_that_has_an_account_of_its_own_is_not_taken_from_it(app, client, tokens):
    change_email(client, tokens)
    token = undo_token(client)
    client.register(ADA, NEW)
    client.verify(ADA)

    assert told(undo(client, token)) == INVALID
    assert address(app) == [NEW_ADDRESS, ADA]


@pytest.mark.stores
def test_what_a_thief_added_after_the_change_goes_with_the_undo(app, client, tokens):
    change_email(client, tokens)
    prove_phone(client, tokens)
    [user] = rows(app, User)
    with app.app_context():
        passkey = Credential(user_id=user.id, kind="passkey", label="his", data=b"")
        db.session.add(passkey)
        db.session.commit()

    undo(client, undo_token(client))

    [user] = rows(app, User)
    assert (user.phone, user.phone_verified_at, rows(app, Credential)) == (None, None, [])


def test_what_was_there_before_the_change_survives_the_undo(app, client, tokens):
    prove_phone(client, tokens)
    [user] = rows(app, User)
    with app.app_context():
        old = Credential(user_id=user.id, kind="totp", label="hers", data=b"")
        db.session.add(old)
        db.session.commit()
    change_email(client, tokens)

    undo(client, undo_token(client))

    assert rows(app, User)[0].phone == NUMBER
    assert [row.label for row in rows(app, Credential)] == ["hers"]


def test_an_undo_survives_the_thiefs_reset(app, client, tokens):
    change_email(client, tokens)
    forgot(client, email=NEW_ADDRESS)
    mail = mails(client, NEW_ADDRESS, "password_reset")[0]
    reset(client, token=token_of(mail["link"]))

    assert templates(client, ADA)[-1] == "notice_password_reset"  # the old address is told of it
    assert undo(client, undo_token(client)).status_code == 204
    assert address(app) == [ADA]


@pytest.mark.stores
def test_twenty_undos_at_once_undo_once(app, client, tokens):
    change_email(client, tokens)

    answers = client.in_parallel(20, "/auth/email/undo", {"token": undo_token(client)})

    assert sorted(answer.status_code for answer in answers) == [204] + [401] * 19
    assert len(audited(app, "email.undone")) == 1


@pytest.mark.stores
def test_a_reset_and_a_change_at_once_leave_one_state(app, client, tokens):
    change = ask(client, tokens)
    mail = reset_mail(client)
    doors = [Client(app.test_client) for _ in range(2)]

    answers = at_once(
        partial(by_code, doors[0], NEW_ADDRESS, change["code"]),
        partial(reset, doors[1], token=mail["token"]),
    )

    assert sorted(answer.status_code for answer in answers) in ([200, 401], [204, 401])
    assert rows(app, Challenge, purpose="reset") == []


def test_an_unproven_address_takes_nothing_back(app, client, tokens):
    with app.app_context():
        db.session.execute(sa.update(User).values(email_verified_at=None))
        db.session.commit()

    with app.app_context():
        assert rows(app, User)[0].email_verified_at is None
    change_email(client, tokens)

    assert rows(app, Challenge) == []
    assert rows(app, User)[0].email_verified_at <= datetime.now(UTC)
