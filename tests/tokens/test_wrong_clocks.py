"""Wrong clocks: an ended session stays ended in every replica, and no recent token is forged."""

from datetime import timedelta

import pytest

from tests.tokens.forgery import case
from tests.wrong_clocks import Replica

SECONDS = (20, 40, 60, 3600, 86_400)
ERRORS = [timedelta(seconds=sign * seconds) for seconds in SECONDS for sign in (1, -1)]


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def replicas(app, clocks, start_application, user):
    """Two replicas with right clocks."""
    return Replica(app, clocks), Replica(start_application(), clocks)


# Replicas whose clocks differ


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.requirement("SE-05")
def test_revocation_reaches_replicas_whose_clocks_differ(app, clocks, start_application, user):
    right, other = Replica(app, clocks), start_application()
    for error in ERRORS:
        wrong = Replica(other, clocks, error)
        for first, second in ((right, wrong), (wrong, right)):
            with case(error=error, wrong_first=first is wrong):
                tokens, others = first.log_in(user), second.log_in(user)
                assert [second.answer(tokens), first.answer(others)] == ["accepted"] * 2

                first.log_out(others)  # its own row must not hide those of the other
                second.log_out(tokens)

                assert [second.answer(others), first.answer(tokens)] == ["token_revoked"] * 2
