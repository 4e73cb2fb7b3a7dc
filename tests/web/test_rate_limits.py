"""Rate limits: the 429 response, counting, and the table of limits."""

import re

import pytest
import time_machine

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.settings.route_limits import ROUTE_LIMITS
from gatehouse.web import rate_limits
from models import LimitCounter
from tests.conftest import running
from tests.rows import rows
from tests.surface.conftest import read_tables
from tests.web.rate_limited_requests import (
    UNKNOWN_LOGIN,
    each_store,
    limits_on,
    log_in,
    make_ip_addresses,
    read_counters,
    read_limit,
    register,
    send_empty_logins,
    send_logins,
)

# The response


@each_store
@pytest.mark.requirement("RL-06")
def test_login_over_sixty_per_minute_gets_429_with_headers(limited_app):
    *accepted, rejected = send_logins(limited_app, 61)

    assert [response.status_code for response in accepted] == [401] * 60
    assert (rejected.status_code, rejected.json["code"]) == (429, "rate_limited")
    assert rejected.mimetype == "application/problem+json"
    assert rejected.headers["Cache-Control"] == "no-store"
    limit, quota, window, wait = read_limit(rejected)
    assert (limit, quota, window) == ("ip_address", 60, 60)
    assert 1 <= wait <= 60


@each_store
def test_accepted_request_has_no_rate_limit_headers(limited_app):
    """A count would distinguish responses that must be equal, as for unknown accounts."""
    [response] = send_logins(limited_app, 1)

    assert not re.search("(?im)^(retry|ratelimit)", str(response.headers))


@pytest.mark.stores
@limits_on
@pytest.mark.requirement("RL-06")
def test_request_after_the_stated_wait_succeeds(app):
    with time_machine.travel("2026-11-23T12:00:00.9Z", tick=False) as traveller:
        send_empty_logins(app, 30)
        traveller.shift(12.3)
        send_empty_logins(app, 30)
        [rejected] = send_logins(app, 1)
        _, _, _, wait = read_limit(rejected)
        traveller.shift(wait - 1)
        early = send_empty_logins(app, 1)
        traveller.shift(1)
        later = send_empty_logins(app, 61)

    assert wait == 48
    assert (early, later[-2:]) == ([429], [422, 429])


@limits_on
@pytest.mark.requirement("RL-06")
def test_429_names_the_exceeded_limit_with_the_longest_wait(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        register(app, make_ip_addresses(10))
        register(app, ["192.0.2.1"] * 60, email="other@example.com")
        [rejected] = register(app, ["192.0.2.1"])
        traveller.shift(read_limit(rejected)[3])
        [after] = register(app, ["192.0.2.1"])

    assert read_limit(rejected) == ("recipient", 10, 600, 600)
    assert after.status_code == 202


# Counting


@limits_on
def test_refresh_is_counted_once(app, client):
    client.post("/auth/refresh", {"refresh_token": "x"})

    assert [counter[1:] for counter in read_counters(app)] == [("refresh", "ip_address", 1)]


@limits_on
def test_routes_have_separate_counters(app, client):
    send_empty_logins(app, 61, "127.0.0.1")

    assert client.post("/auth/login", UNKNOWN_LOGIN).status_code == 429
    assert client.post("/auth/refresh", {"refresh_token": "x"}).status_code == 401
    assert client.register("ada@example.com").status_code == 202


@limits_on
def test_rejected_login_changes_nothing_but_counters(app, client, make_user):
    user = make_user()
    send_empty_logins(app, 60, "127.0.0.1")
    before = read_tables(app)

    response = client.post("/auth/login", {"identifier": user.email, "password": user.password})

    after = read_tables(app)
    assert response.status_code == 429
    assert {t: before[t] for t in before if t != "limit_counters"} == {
        t: after[t] for t in after if t != "limit_counters"
    }


@pytest.mark.stores
@limits_on
def test_window_ends_and_the_next_begins(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        first = send_empty_logins(app, 61)
        traveller.shift(59)
        still = send_empty_logins(app, 1)
        traveller.shift(2)
        later = send_empty_logins(app, 61)

    assert (first[-2:], still, later[-2:]) == ([422, 429], [429], [422, 429])


@pytest.mark.stores
@limits_on
def test_expired_counters_are_purged(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        log_in(app, 1, "192.0.2.1")
        traveller.shift(61)
        log_in(app, 1, "192.0.2.2")
        with app.app_context():
            with write_transaction():
                rate_limits.purge_expired_counters()
            db.session.commit()

        assert {row.expires_at > clock.unix_time() for row in rows(app, LimitCounter)} == {True}


# The table


def test_every_limit_of_the_table_is_used_by_a_route(app):
    charged = {getattr(view, "limit", None) for view in app.view_functions.values()}

    assert charged - {None} == set(ROUTE_LIMITS) - {
        "api_key",
        "client",
        "grant",
    }  # counted where these are verified


@pytest.mark.settings(GATEHOUSE_LIMIT_REGISTER="9/hour, recipient=3/minute")
def test_limits_are_counted_in_the_order_of_the_table(app):
    """Flask-Limiter checks seconds before minutes before hours: a row must not mix them."""
    for name in ROUTE_LIMITS:
        with app.app_context():
            granularities = [rule.item.GRANULARITY.seconds for rule in rate_limits.rules_for(name)]

        assert len(set(granularities)) == 1, name


# The switch


def test_limits_off_allow_all_requests_and_log_a_warning(settings_environment, capsys):
    with running(settings_environment) as app:
        statuses = send_empty_logins(app, 70)

    assert settings_environment["GATEHOUSE_RATE_LIMITS"] == "off"
    assert set(statuses) == {422}
    assert "Rate limits are off" in capsys.readouterr().err


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS=None)
def test_limits_are_on_by_default_without_a_warning(app, capsys):
    assert send_empty_logins(app, 61)[-2:] == [422, 429]
    assert "Rate limits" not in capsys.readouterr().err
