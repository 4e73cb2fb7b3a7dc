"""A continuation reaches the end of a login, whatever steps lie between."""

from uuid import UUID

import pytest

from gatehouse.core import crypto_labels
from gatehouse.database.session import db, write_transaction
from gatehouse.login import second_step
from gatehouse.login import service as login
from gatehouse.login.method import LoginAttempt
from gatehouse.login.methods import link
from gatehouse.login.methods.link import LinkLoginForm
from gatehouse.login.methods.password import PasswordLoginForm
from gatehouse.mfa.factor import FactorResponse, SecondFactorResponse
from gatehouse.mfa.forms import (
    ConfirmationAtLoginForm,
    EnrolmentAtLoginForm,
    SecondFactorLoginForm,
)
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.sessions.continuation import Continuation
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.web.request_context import NO_REQUEST
from models import OneTimeCode
from tests.mail_links import read_mail, token_of

NEXT = Continuation("return_address", "https://app.example.com/orders")


def start(user, continuation=NEXT):
    form = PasswordLoginForm(identifier=user.email, password=user.password)
    answer = login.log_in("password", LoginAttempt(form, NO_REQUEST, continuation=continuation))
    db.session.commit()
    return answer


def second_factor(challenge, user):
    given = SecondFactorResponse("totp", FactorResponse(user.totp()))
    return SecondFactorLoginForm(challenge.mfa_token, given, remember_device=False)


def test_continuation_is_returned_with_the_tokens(app, make_user):
    user = make_user()

    with app.app_context():
        answer = start(user)

    assert isinstance(answer.result, TokenPair)
    assert answer.continuation == NEXT


def test_continuation_survives_a_second_step(app, make_user):
    user = make_user(factors=["totp"])

    with app.app_context():
        challenge = start(user).result
        answer = second_step.complete_second_factor(second_factor(challenge, user), NO_REQUEST)

    assert isinstance(answer.result, TokenPair)
    assert answer.continuation == NEXT


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_continuation_survives_a_mandatory_enrolment(app, make_user):
    user = make_user()

    with app.app_context():
        token = start(user).result.mfa_token
        factor = second_step.enrol_factor(EnrolmentAtLoginForm("totp", mfa_token=token), NO_REQUEST)
        db.session.commit()
        user.secret = factor["secret"]
        given = SecondFactorResponse("", FactorResponse(user.totp()), UUID(factor["id"]))
        form = ConfirmationAtLoginForm(token, given)
        answer, _codes = second_step.complete_enrolment(form, NO_REQUEST)

    assert isinstance(answer.result, TokenPair)
    assert answer.continuation == NEXT


def test_continuation_survives_a_mailed_link(app, client, make_user):
    user = make_user()

    with app.app_context():
        recipient = Recipient("email", user.email, user.email)
        login_token = link.plugin.send_link(recipient, NO_REQUEST, NEXT)
        db.session.commit()
        token = token_of(read_mail(client, user.email)["link"])
        form = LinkLoginForm(login_token=login_token, token=token)
        answer = login.log_in("link", LoginAttempt(form, NO_REQUEST))

    assert isinstance(answer.result, TokenPair)
    assert answer.continuation == NEXT


def test_continuation_is_missing_in_a_login_that_an_older_version_stored(app, make_user):
    user = make_user(factors=["totp"])

    with app.app_context():
        challenge = start(user).result
        with write_transaction():
            row = db.session.query(OneTimeCode).filter_by(purpose=crypto_labels.LOGIN_CHALLENGE)
            data = one_time_codes.decrypt_data(row.one())
            del data["first"]["continuation"]
            one_time_codes.change_data(row.one(), data)
        db.session.commit()
        answer = second_step.complete_second_factor(second_factor(challenge, user), NO_REQUEST)

    assert isinstance(answer.result, TokenPair)
    assert answer.continuation is None
