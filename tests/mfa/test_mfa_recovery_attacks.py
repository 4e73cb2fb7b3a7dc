"""Thieves who say that they lost a factor: each has one thing, and makes it look like two."""

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from models import Credential
from models import User as Account
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    THIRD,
    change_email,
    forgot,
    mails,
    prove_phone,
    reset,
    reset_mail,
    told,
    undo_token,
)
from tests.client import PASSWORD, User
from tests.letters import token_of
from tests.mfa import otp
from tests.mfa.recovery import announced, ask, keep_house, newest, prove
from tests.rows import audited, rows

NOT_TWO = (403, "proofs_not_independent")
WRONG = (401, "invalid_code")
ANNOUNCED = (200, "announced")


@pytest.fixture
def ada(client, make_user):
    """Ada, who has an app and is signed in."""
    user = make_user(email=ADA, factors=["totp"])
    user.tokens = client.renew(user.tokens)  # which tell of the factor
    return user


def reset_by_phone(client, password=NEW):
    assert forgot(client, phone=NUMBER).status_code == 202
    code = mails(client, NUMBER, "sms_reset")[0]["code"]
    assert reset(client, password, phone=NUMBER, code=code).status_code == 204


def reset_by_mail(client, password=NEW):
    assert reset(client, password, token=reset_mail(client)["token"]).status_code == 204


# The mailbox, or the phone


@pytest.mark.requirement("RG-04")
def test_a_password_that_was_reset_by_mail_is_no_second_proof(app, client, ada):
    reset_by_mail(client)

    answer = prove(client, ask(client), password=NEW)

    assert told(answer) == NOT_TWO
    assert announced(app) == 0
    assert len(audited(app, "factor.loss_unproved")) == 1


@pytest.mark.requirement("RG-04")
@pytest.mark.parametrize("to", [{"phone": NUMBER}, {"email": ADA}], ids=["text", "mail"])
def test_a_password_that_was_reset_by_text_is_no_second_proof(app, client, ada, wait, to):
    """A phone that was stolen unlocked reads the mail, too."""
    prove_phone(client, ada.tokens)
    wait(days=4)
    reset_by_phone(client)

    answer = prove(client, ask(client, **to), password=NEW)

    assert told(answer) == NOT_TWO
    assert announced(app) == 0


@pytest.mark.requirement("RG-04")
def test_changing_a_password_that_was_reset_does_not_make_it_a_proof(app, client, ada):
    """With codes by mail as a weak factor the mailbox alone signs in, but changes no factor."""
    sent_by_mail = enrol_codes_by_mail(client, ada)
    reset_by_mail(client)
    question = client.log_in(User(ADA, NEW))
    otp.ask(client, question, sent_by_mail)
    form = otp.step(question, "email", otp.code_of(client, ada, "email"))
    session = client.post("/auth/login/mfa", form).json

    change = {"current_password": NEW, "password": THIRD}
    assert client.as_(session).post("/auth/password/change", change).status_code == 204

    assert told(prove(client, ask(client), password=THIRD)) == NOT_TWO
    assert announced(app) == 0


def enrol_codes_by_mail(client, user):
    user.tokens = client.second_step(user, client.log_in(user))
    mine = client.as_(user.tokens)
    factor = mine.post("/auth/mfa/factors", {"kind": "email"}).json
    code = otp.code_of(client, user, "email")
    confirmed = mine.post(f"/auth/mfa/factors/{factor['id']}/confirm", {"code": code})
    assert confirmed.status_code == 200
    return factor


@pytest.mark.requirement("RG-04")
def test_a_texted_second_factor_does_not_vouch_for_a_password_that_was_reset_by_text(
    app, client, make_user, wait
):
    user = make_user(email=ADA)
    factor = otp.enrol(client, user, "sms")
    wait(days=4)
    reset_by_phone(client)
    question = client.log_in(User(ADA, NEW))
    otp.ask(client, question, factor)
    form = otp.step(question, "sms", otp.code_of(client, user, "sms"))
    assert client.post("/auth/login/mfa", form).status_code == 200

    assert told(prove(client, ask(client, phone=NUMBER), password=NEW)) == NOT_TWO


def test_once_a_factor_was_proved_beside_it_such_a_password_counts_again(app, client, ada):
    reset_by_mail(client)
    ada.password = NEW
    client.second_step(ada, client.log_in(ada))

    assert told(prove(client, ask(client), password=NEW)) == ANNOUNCED


@pytest.mark.requirement("RG-04")
def test_the_owner_s_login_without_the_password_does_not_vouch_for_it(client, ada):
    """The thief chose it; the owner signs in by a link and the app meanwhile."""
    reset_by_mail(client)
    asked = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
    code = mails(client, ADA, "login_link")[0]["code"]
    question = client.post("/auth/login/link/verify", {"login_token": asked, "code": code}).json
    client.second_step(ada, question)

    assert told(prove(client, ask(client), password=NEW)) == NOT_TWO


@pytest.mark.requirement("RG-04")
def test_a_flagged_password_is_no_proof(app, client, ada):
    assert app.test_cli_runner().invoke(args=["passwords", "flag", ADA]).exit_code == 0

    assert told(prove(client, ask(client))) == NOT_TWO


@pytest.mark.requirement("RG-04")
def test_an_old_mailbox_that_takes_the_account_back_removes_nothing(app, client, ada):
    change_email(client, ada.tokens)
    assert client.post("/auth/email/undo", {"token": undo_token(client)}).status_code == 204
    reset_by_mail(client)

    answer = prove(client, ask(client), password=NEW)

    assert told(answer) == NOT_TWO
    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}


@pytest.mark.requirement("RL-03")
def test_without_the_code_no_password_is_evaluated(client, ada):
    """Else a right one would be told from a wrong one, past the lock of all other doors."""
    asked = ask(client) | {"code": "00000000"}

    right, wrong = prove(client, asked), prove(client, asked, password=NEW)

    assert [told(answer) for answer in (right, wrong)] == [WRONG] * 2
    assert right.json["detail"] == wrong.json["detail"]
    assert client.log_in(ada)["status"] == "mfa_required"


# A session and the password


@pytest.mark.requirement("RG-04")
def test_an_address_that_came_lately_gets_no_code(app, client, ada, wait):
    change_email(client, ada.tokens)

    early = ask(client, email=NEW_ADDRESS)
    wait(hours=72, seconds=1)
    late = ask(client, email=NEW_ADDRESS)

    assert told(prove(client, early)) == WRONG
    assert len(mails(client, NEW_ADDRESS, "mfa_recovery")) == 1
    assert told(prove(client, late)) == ANNOUNCED


@pytest.mark.requirement("RG-04")
def test_a_number_that_came_lately_gets_no_code(app, client, ada, wait):
    prove_phone(client, ada.tokens)

    early = ask(client, phone=NUMBER)

    assert told(prove(client, early)) == WRONG
    assert mails(client, NUMBER, "sms_mfa_recovery") == []


@pytest.mark.requirement("RG-04")
def test_a_code_that_was_sent_to_an_address_before_it_was_changed_is_void(app, client, ada):
    asked = ask(client)
    change_email(client, ada.tokens)

    assert told(prove(client, asked)) == WRONG


@pytest.mark.requirement("RG-04")
def test_a_number_that_was_taken_away_does_not_prove_anything_any_more(app, client, ada, wait):
    prove_phone(client, ada.tokens)
    wait(days=4)
    asked = ask(client, phone=NUMBER)
    with app.app_context():
        db.session.execute(sa.update(Account).values(phone=None, phone_verified_at=None))
        db.session.commit()

    assert told(prove(client, asked)) == WRONG


# The password and the mailbox: then the owner still has a day, and the factor


@pytest.mark.requirement("RG-04")
def test_factors_stay_that_their_owner_proves_meanwhile(app, client, ada, wait):
    prove(client, ask(client))
    wait(hours=1)
    client.second_step(ada, client.log_in(ada))
    wait(days=1)
    keep_house(app)

    assert client.log_in(ada)["status"] == "mfa_required"
    [dropped] = audited(app, "factor.reset_dropped")
    assert dropped.details["why"] == "a factor was used"


@pytest.mark.requirement("RG-04")
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
def test_while_a_reset_waits_a_remembered_device_is_asked_so_that_its_owner_stops_it(
    app, client, ada, wait, meanwhile
):
    """The thief has deleted the mail; the owner signs in as every day, and notices nothing else."""
    device = ada.tokens if meanwhile else remember(client, ada)
    prove(client, ask(client))
    wait(hours=1)
    device = remember_by_code(client, ada) if meanwhile else device

    question = log_in_on(client, device)
    client.second_step(ada, question)
    wait(days=1)
    keep_house(app)

    assert question["status"] == "mfa_required"
    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}


@pytest.mark.requirement("RG-04")
def test_when_the_reset_is_stopped_the_device_is_remembered_as_before(client, ada):
    device = remember(client, ada)
    prove(client, ask(client))
    token = token_of(mails(client, ADA, "notice_mfa_reset")[0]["link"])
    assert client.post("/auth/mfa/reset/cancel", {"token": token}).status_code == 204

    assert log_in_on(client, device)["status"] == "authenticated"


def remember(client, user, **code):
    return client.second_step(user, client.log_in(user), remember_device=True, **code)


def remember_by_code(client, user):
    return remember(client, user, factor="recovery_codes", code=user.recovery_codes[0])


def log_in_on(client, device):
    headers = {"X-Device-Token": device["device_token"]}
    form = {"identifier": ADA, "password": PASSWORD}
    return client.post("/auth/login", form, headers=headers).json


@pytest.mark.requirement("RG-04")
def test_factors_stay_where_a_new_one_came_meanwhile(app, client, ada, wait):
    prove(client, ask(client))
    wait(minutes=1)
    client.enrol_totp(ada, "Tablet")
    wait(days=1)
    keep_house(app)

    kinds = sorted(row.kind for row in rows(app, Credential))
    assert kinds == ["recovery_codes", "totp", "totp"]


@pytest.mark.requirement("RG-04")
def test_a_recovery_code_that_is_used_meanwhile_does_not_keep_the_factors(app, client, ada, wait):
    """It is what the owner of a lost factor signs in with."""
    prove(client, ask(client))
    wait(hours=1)
    code = {"factor": "recovery_codes", "code": ada.recovery_codes[0]}
    client.second_step(ada, client.log_in(ada), **code)
    wait(days=1)
    keep_house(app)

    assert client.log_in(ada)["status"] == "authenticated"


@pytest.mark.requirement("RG-04")
def test_factors_stay_where_the_owner_chooses_another_password(app, client, ada, wait):
    prove(client, ask(client))
    reset_by_mail(client)
    wait(days=1, seconds=1)
    keep_house(app)

    assert client.log_in(User(ADA, NEW))["status"] == "mfa_required"
    assert audited(app, "factor.reset_dropped")[0].details["why"] == "another password"


@pytest.mark.requirement("RG-04")
def test_factors_stay_where_the_account_has_another_address_by_then(app, client, ada, wait):
    prove(client, ask(client))
    change_email(client, ada.tokens)
    wait(days=1, seconds=1)
    keep_house(app)

    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}
    assert audited(app, "factor.reset_dropped")[0].details["why"] == "another address"


def test_who_loses_it_again_after_that_announces_it_again(app, client, ada, wait):
    prove(client, ask(client))
    wait(hours=1)
    client.second_step(ada, client.log_in(ada))
    wait(hours=1)

    assert told(prove(client, ask(client))) == ANNOUNCED

    wait(days=1, seconds=1)
    keep_house(app)
    assert client.log_in(ada)["status"] == "authenticated"


def test_nothing_is_sent_for_an_account_that_is_disabled(app, client, ada):
    with app.app_context():
        db.session.execute(sa.update(Account).values(disabled_at=clock.now()))
        db.session.commit()

    ask(client)

    assert newest(client, ADA) == "00000000"
