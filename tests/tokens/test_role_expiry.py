"""Roles that expire, on machines whose clocks are wrong or are set: the database's time counts."""

from datetime import UTC, datetime, timedelta

import pytest

from gatehouse.authorization import assignments
from gatehouse.authorization.assignments import Assignment
from gatehouse.database.session import db
from gatehouse.web.request_context import NO_REQUEST
from models import RoleAssignment, User
from tests.rows import rows
from tests.tokens.forgery import case, decode_token
from tests.wrong_clocks import Replica, set_database_clock

REQUIRE = "/gateway/verify?require=role:support"
ERRORS = [timedelta(seconds=sign * seconds) for seconds in (60, 3600, 86_400) for sign in (1, -1)]


@pytest.fixture
def give_role(app, clocks):
    """Give a user the role of support for five minutes from now, by the database's time."""

    def give_role(replica, user):
        [row] = rows(app, User, email=user.email)
        until = datetime.now(UTC) + clocks.passed + timedelta(minutes=5)
        with replica.running(), replica.app.app_context():
            assignments.assign(row.id, Assignment("support", until), NO_REQUEST)
            db.session.commit()
        replica.sync()

    return give_role


def renew(replica, tokens):
    """Refresh; return the new tokens, their claims, and the answer where the role is needed."""
    replica.sync()
    with replica.running() as client:
        renewed = client.renew(tokens)
        answer = client.as_(renewed).get(REQUIRE).status_code
    return renewed, decode_token(renewed["access_token"])[1], answer


def ask(replica, tokens):
    """Return how a gateway that needs the role answers an older token."""
    replica.sync()
    with replica.running() as client:
        return client.as_(tokens).get(REQUIRE).status_code


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.requirement("JW-12")
def test_role_expires_by_the_databases_time_on_a_replica_whose_clock_is_wrong(
    app, clocks, give_role, make_user
):
    user = make_user()
    for error in ERRORS:
        with case(error=error):
            replica = Replica(app, clocks, error)
            tokens = replica.log_in(user)
            give_role(replica, user)

            tokens, claims, answer = renew(replica, tokens)
            assert (claims["roles"], answer) == (["support", "user"], 200)
            assert claims["exp"] - claims["iat"] <= 300  # no token outlives the role

            clocks.wait(minutes=5, seconds=10)
            assert ask(replica, tokens) == 401
            tokens, claims, answer = renew(replica, tokens)
            assert (claims["roles"], claims["scope"], answer) == (["user"], "", 403)


@pytest.mark.stores
@pytest.mark.requirement("JW-12")
def test_role_survives_a_clock_that_was_set_ahead_and_back_and_ends_at_its_time(
    app, clocks, give_role, make_user
):
    """While the clock is ahead the role has ended; afterwards it ends when it should."""
    user = make_user()
    replica = Replica(app, clocks)
    clocks.wait(seconds=61)
    replica.sync()
    tokens = replica.log_in(user)
    give_role(replica, user)

    set_database_clock(clocks, [replica], timedelta(hours=1))
    replica.sync()
    replica.clean_up()
    tokens, claims, answer = renew(replica, tokens)
    assert (claims["roles"], answer) == (["user"], 403)

    set_database_clock(clocks, [replica], timedelta(0))
    tokens, claims, answer = renew(replica, tokens)
    assert (claims["roles"], answer) == (["support", "user"], 200)
    assert claims["exp"] - claims["iat"] <= 300
    assert len(rows(app, RoleAssignment)) == 1

    clocks.wait(minutes=5, seconds=10)
    assert ask(replica, tokens) == 401
    assert renew(replica, tokens)[2] == 403
