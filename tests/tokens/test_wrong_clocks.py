"""Wrong clocks: an ended session stays ended in every replica, and no recent token is forged."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from gatehouse.core import clock
from models import Revocation
from tests.log_lines import read_log_lines
from tests.rows import rows
from tests.tokens.forgery import case, decode_token
from tests.wrong_clocks import Replica, set_database_clock

SECONDS = (20, 40, 60, 3600, 86_400)
ERRORS = [timedelta(seconds=sign * seconds) for seconds in SECONDS for sign in (1, -1)]


@pytest.fixture
def user(make_user):
    return make_user()


# Replicas whose clocks differ


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.requirement("SE-05")
def test_revocation_reaches_replicas_whose_clocks_differ(app, clocks, start_application, user):
    right, other = Replica(app, clocks), start_application()
    for number, error in enumerate(ERRORS):
        both = right, Replica(other, clocks, error)
        first, second = both if number % 2 else reversed(both)
        with case(error=error, right_first=first is right):
            tokens, others = first.log_in(user), second.log_in(user)
            assert [second.answer(tokens), first.answer(others)] == ["accepted"] * 2

            first.log_out(others)  # its own row must not hide those of the other
            second.log_out(tokens)

            assert [second.answer(others), first.answer(tokens)] == ["token_revoked"] * 2


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_time_is_the_databases_in_replicas_whose_clocks_differ(app, clocks, user):
    for error in ERRORS:
        replica = Replica(app, clocks, error)
        with case(error=error):
            claims = decode_token(replica.log_in(user)["access_token"])[1]
            assert abs(claims["iat"] - clock.machine_time().timestamp()) < 5


@pytest.mark.stores
def test_revocation_row_is_not_purged_by_a_replica_with_a_fast_clock(
    app, clocks, start_application, user, store
):
    right = Replica(app, clocks)
    fast_by = timedelta(days=1) if store.startswith("postgresql") else timedelta(0)
    fast = Replica(start_application(), clocks, fast_by)
    right.log_out(right.log_in(user))

    clocks.wait(minutes=15)
    fast.clean_up()
    assert len(rows(app, Revocation)) == 1

    clocks.wait(minutes=2)
    fast.clean_up()
    assert rows(app, Revocation) == []


# A clock that is set: the machine's (on SQLite it is the database's), and PostgreSQL's


@pytest.fixture
def replicas(app, clocks, start_application):
    """Two replicas that have run for more than a minute."""
    both = Replica(app, clocks), Replica(start_application(), clocks)
    clocks.wait(seconds=61)
    for replica in both:
        replica.sync()
    return both


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_jump_that_returns_revives_no_ended_session(clocks, replicas, user):
    first, second = replicas
    for seconds in (3600, -3600, 86_400, -86_400):
        jump = timedelta(seconds=seconds)
        with case(jump=jump):
            before, kept = first.log_in(user), first.log_in(user)
            first.log_out(before)
            set_database_clock(clocks, replicas, jump)
            assert second.answer(before) == ("token_revoked" if seconds < 0 else "token_expired")
            assert second.answer(kept) == ("accepted" if seconds < 0 else "token_expired")
            first.sync()
            during = first.log_in(user)
            assert second.answer(during) == "accepted"
            first.clean_up()
            second.log_out(during)
            clocks.wait(seconds=4)
            assert [one.answer(during) for one in replicas] == ["token_revoked"] * 2
            set_database_clock(clocks, replicas, timedelta(0))

            for tokens in (before, during):
                assert [one.answer(tokens) for one in replicas] == ["token_revoked"] * 2
            assert [one.answer(kept) for one in replicas] == ["accepted"] * 2


@pytest.mark.requirement("SE-05")
def test_jump_of_every_clock_that_returns_revives_no_ended_session(clocks, replicas, user):
    first, second = replicas
    tokens = first.log_in(user)
    first.log_out(tokens)
    clocks.wait(minutes=2)  # its row is no longer read each time
    assert second.answer(tokens) == "token_revoked"

    clocks.wait(hours=1)
    assert second.answer(tokens) == "token_expired"
    clocks.wait(hours=-1)

    assert second.answer(tokens) == "token_revoked"


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_revocation_just_before_a_jump_reaches_the_other_replicas(clocks, replicas, user):
    first, second = replicas
    for seconds in (3600, -3600):
        with case(seconds=seconds):
            tokens = first.log_in(user)
            assert second.answer(tokens) == "accepted"
            first.log_out(tokens)
            set_database_clock(clocks, replicas, timedelta(seconds=seconds))
            assert second.answer(tokens) != "accepted"
            set_database_clock(clocks, replicas, timedelta(0))

            assert second.answer(tokens) == "token_revoked"


@pytest.mark.stores
def test_step_back_calls_no_recent_token_forged_and_lengthens_none(clocks, replicas, user):
    first, second = replicas
    tokens, ended = first.log_in(user), first.log_in(user)

    set_database_clock(clocks, replicas, timedelta(hours=-1))
    for seconds in (0, 30, 31):  # after a minute the step is believed
        clocks.wait(seconds=seconds)
        assert [one.answer(tokens) for one in replicas] == ["accepted"] * 2
    assert first.now < clock.machine_time() - timedelta(minutes=50) + clocks.passed
    second.log_out(ended)

    assert first.answer(ended) == "token_revoked"
    assert second.answer(first.log_in(user)) == "accepted"
    clocks.wait(minutes=9, seconds=10)
    assert [one.answer(tokens) for one in replicas] == ["token_expired"] * 2
    assert [one.refresh(tokens) for one in replicas] == [200] * 2


@pytest.mark.stores
def test_step_forward_is_believed_at_once(clocks, replicas, user):
    second = replicas[1]
    tokens = second.log_in(user)

    set_database_clock(clocks, replicas, timedelta(hours=1))

    assert second.answer(tokens) == "token_expired"
    assert second.now > clock.machine_time() + timedelta(minutes=59)


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_revocation_outlives_a_step_back_that_is_corrected(clocks, replicas, user):
    first = replicas[0]
    tokens = first.log_in(user)
    set_database_clock(clocks, replicas, timedelta(hours=-1))
    for seconds in (0, 61):
        clocks.wait(seconds=seconds)
        assert [one.answer(tokens) for one in replicas] == ["accepted"] * 2
    first.log_out(tokens)

    set_database_clock(clocks, replicas, timedelta(0))

    assert [one.answer(tokens) for one in replicas] == ["token_revoked"] * 2


@pytest.mark.stores
def test_step_keeps_the_rows_of_an_hour(app, clocks, replicas, user):
    first = replicas[0]
    first.log_out(first.log_in(user))

    set_database_clock(clocks, replicas, timedelta(days=1))
    first.sync()
    clocks.wait(minutes=50)
    first.sync()
    first.clean_up()
    assert len(rows(app, Revocation)) == 1

    clocks.wait(minutes=11)
    first.sync()
    first.clean_up()
    assert rows(app, Revocation) == []


# What operators see


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_skew_is_measured_and_logged_once_and_degrades_the_readiness(app, clocks, capsys):
    replica, seen = Replica(app, clocks), []
    capsys.readouterr()
    for seconds in (4, 6, -7, 29, 31, -3600, 0):
        replica.error = timedelta(seconds=seconds)
        replica.sync()
        with replica.running() as client:
            readiness = client.get("/health/ready")
        assert readiness.status_code == 200
        seen.append(readiness.json)
        skew = REGISTRY.get_sample_value("gatehouse_clock_skew_seconds")
        assert skew == pytest.approx(seconds, abs=2)

    degraded = {"status": "ready", "degraded": ["clock"]}
    assert seen == [{"status": "ready"}] * 4 + [degraded] * 2 + [{"status": "ready"}]
    warnings = [line for line in read_log_lines(capsys) if "clock" in line["event"]]
    assert [line["event"] for line in warnings] == [
        "This machine's clock differs from the database's.",
        "This machine's clock agrees again with the database's.",
    ]
