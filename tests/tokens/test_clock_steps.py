"""A database's clock that is set far ahead and back: what was ended stays ended."""

from datetime import timedelta

import pytest

from tests.wrong_clocks import Replica, set_database_clock


@pytest.fixture
def replica(app, clocks):
    """A replica that has run for more than a minute."""
    one = Replica(app, clocks)
    clocks.wait(seconds=61)
    one.sync()
    return one


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
