"""A database's clock that is set far ahead and back: what was ended stays ended."""

from datetime import timedelta

import pyotp
import pytest

from models import Credential, User
from tests.rows import rows
from tests.tokens.forgery import case, decode_token
from tests.wrong_clocks import Replica, set_database_clock


@pytest.fixture
def replica(app, clocks):
    """A replica that has run for more than a minute."""
    one = Replica(app, clocks)
    clocks.wait(seconds=61)
    one.sync()
    return one


def level_of(tokens):
    return decode_token(tokens["access_token"])[1]["acr"]


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_session_that_seemed_expired_ends_with_the_others(clocks, replica, make_user):
    user = make_user(email="ada@example.com")
    intruder = replica.log_in(user)
    set_database_clock(clocks, [replica], timedelta(days=15))  # longer than the idle limit
    replica.sync()
    owner = replica.log_in(user)
    with replica.running() as client:
        form = {"current_password": user.password, "password": "another long phrase of hers"}
        assert client.as_(owner).post("/auth/password/change", form).status_code == 204

    set_database_clock(clocks, [replica], timedelta(0))

    assert replica.answer(intruder) == "token_revoked"
    assert replica.refresh(intruder) == 401


@pytest.mark.stores
@pytest.mark.requirement("RG-09")
def test_authentication_in_the_future_is_not_recent(clocks, replica, make_user):
    user = make_user(email="ada@example.com")
    set_database_clock(clocks, [replica], timedelta(hours=3))
    replica.sync()
    tokens = replica.log_in(user)
    set_database_clock(clocks, [replica], timedelta(0))
    replica.sync()
    clocks.wait(minutes=30)
    replica.sync()

    with replica.running() as client:
        renewed = client.renew(tokens)
        answer = client.as_(renewed).post("/auth/email/change", {"email": "new@example.com"})

    assert answer.json["code"] == "insufficient_user_authentication"


@pytest.mark.stores
@pytest.mark.requirement("SE-12")
def test_second_factor_in_the_future_keeps_no_session_at_aal2(clocks, replica, make_user):
    user = make_user(email="ada@example.com", factors=["totp"])
    for hours in (3, 30):
        with case(hours=hours):
            set_database_clock(clocks, [replica], timedelta(hours=hours))
            replica.sync()
            challenge = replica.log_in(user)
            with replica.running() as client:
                code = pyotp.TOTP(user.secret).at(replica.now)
                tokens = client.complete_mfa(user, challenge, code=code)
            assert level_of(tokens) == "aal2"
            set_database_clock(clocks, [replica], timedelta(0))
            for minutes in (0, 5, 50):  # it is used, so that it is not idle
                clocks.wait(minutes=minutes)
                replica.sync()
                with replica.running() as client:
                    tokens = client.renew(tokens)

            assert level_of(tokens) == "aal1"


@pytest.mark.stores
@pytest.mark.requirement("RG-04")
def test_nothing_that_waits_is_due_by_a_clock_that_was_just_set(
    app, clocks, replica, make_user, sign_in_as
):
    """Deleted users, who can be restored, and factors, whose removal the user can cancel."""
    ids = [make_user(factors=["totp"]), make_user()]
    [keeps, leaves] = [rows(app, User, email=user.email)[0].id for user in ids]
    with replica.running() as client:
        admin = client.as_(sign_in_as("admin")._bearer)
        assert admin.post(f"/admin/users/{keeps}/reset-mfa").status_code == 202
        path = f"/admin/users/{leaves}"
        assert admin.delete(path, headers={"If-Match": "*"}).status_code == 204

    set_database_clock(clocks, [replica], timedelta(days=400))
    replica.sync()
    clocks.wait(minutes=50)
    replica.sync()
    replica.clean_up()

    assert rows(app, User, id=leaves)
    assert rows(app, Credential, user_id=keeps)
