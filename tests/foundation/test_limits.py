"""Limits of the routes: exactly so many in a window, whoever counts and wherever."""

import re
from contextlib import ExitStack
from functools import partial
from itertools import count

import pytest
import redis
import time_machine
from limits import parse
from limits.strategies import FixedWindowRateLimiter

from gatehouse.foundation import clock, limits
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.limits import DatabaseStorage
from models import LimitCounter
from tests.client import Client
from tests.conftest import running
from tests.live import LiveServer
from tests.rows import rows
from tests.stores import valkey_server
from tests.surface.conftest import contents
from tests.together import at_once

NOBODY = {"identifier": "nobody@example.com", "password": "wrong"}
NUMBERS = count()
counted = pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
counters = pytest.mark.parametrize(
    ("store", "with_redis"),
    [("sqlite", False), ("postgres", False), ("sqlite", True)],
    indirect=["store"],
    ids=["sqlite", "postgres", "valkey"],
)


@pytest.fixture
def limited(request, settings_environment, with_redis):
    """Lend an application that counts, in the database or in Valkey."""
    environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on"}
    if with_redis:
        environ["REDIS_URL"] = request.getfixturevalue("valkey")
    with running(environ) as app:
        yield app


def somebody():
    """Name somebody new: guesses at one account run into the lockout sooner."""
    return NOBODY | {"identifier": f"nobody{next(NUMBERS)}@example.com"}


def log_in(app, times, address="192.0.2.1"):
    """Try to log in so many times from an address; return the statuses."""
    client, sender = app.test_client(), {"REMOTE_ADDR": address}
    return [
        client.post("/auth/login", json=somebody(), environ_overrides=sender).status_code
        for _ in range(times)
    ]


@counters
def test_sixty_logins_a_minute_are_judged_and_the_next_is_refused(limited):
    client = limited.test_client()

    judged = log_in(limited, 60)
    refused = client.post(
        "/auth/login", json=NOBODY, environ_overrides={"REMOTE_ADDR": "192.0.2.1"}
    )

    assert judged == [401] * 60
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    wait = refused.json["retry_after"]
    assert 1 <= wait <= 60
    assert refused.headers["Retry-After"] == str(wait)
    assert refused.headers["RateLimit"] == f'"address";r=0;t={wait}'
    assert refused.headers["RateLimit-Policy"].startswith('"address";q=60')


@counters
def test_addresses_are_counted_apart_and_a_network_of_version_6_together(limited):
    log_in(limited, 60, "192.0.2.1")
    log_in(limited, 60, "2001:db8::1")

    assert log_in(limited, 1, "192.0.2.2") == [401]
    assert log_in(limited, 1, "::ffff:192.0.2.1") == [429]  # the same address, RFC 4291
    assert log_in(limited, 1, "2001:db8::ffff:0:0:2") == [429]
    assert log_in(limited, 1, "2001:db8:0:1::1") == [401]


@counters
def test_no_counter_names_an_address(limited, request, with_redis):
    log_in(limited, 1, "192.0.2.1")
    log_in(limited, 1, "2001:db8::1")

    if with_redis:
        with redis.Redis.from_url(request.getfixturevalue("valkey")) as connection:
            keys = [key.decode() for key in connection.scan_iter()]
    else:
        keys = [row.key for row in rows(limited, LimitCounter)]
    assert len(keys) == 2
    assert all(re.search(r"/[0-9a-f]{32}/login/", key) for key in keys), keys
    assert not re.search(r"192\.0\.2\.1|2001:db8", "".join(keys))


@counted
def test_each_limit_has_a_count_of_its_own(app, client):
    log_in(app, 61, "127.0.0.1")

    assert client.post("/auth/login", NOBODY).status_code == 429
    assert client.post("/auth/refresh", {"refresh_token": "x"}).status_code == 401
    assert client.register("ada@example.com").status_code == 202


@counted
def test_what_is_refused_is_not_judged(app, client, make_user):
    user = make_user()
    log_in(app, 60, "127.0.0.1")
    before = contents(app)

    answer = client.post("/auth/login", {"identifier": user.email, "password": user.password})

    after = contents(app)
    assert answer.status_code == 429
    assert {t: before[t] for t in before if t != "limit_counters"} == {
        t: after[t] for t in after if t != "limit_counters"
    }


@pytest.mark.stores
@counted
def test_a_window_ends_and_the_next_begins(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        first = log_in(app, 61)
        traveller.shift(59)
        still = log_in(app, 1)
        traveller.shift(2)
        again = log_in(app, 61)

    assert (first[-2:], still, again[-2:]) == ([401, 429], [429], [401, 429])


@pytest.mark.stores
@counted
def test_counters_whose_window_is_over_are_deleted(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        log_in(app, 1, "192.0.2.1")
        traveller.shift(61)
        log_in(app, 1, "192.0.2.2")
        with app.app_context():
            with writing():
                limits.purge()
            db.session.commit()

        assert [row.expires_at > clock.seconds() for row in rows(app, LimitCounter)] == [True]


@pytest.mark.stores
def test_three_processes_with_eight_threads_let_exactly_the_limit_through(settings_environment):
    """Each application has an engine of its own, as each process has."""
    limit, judge = parse("20 per minute"), FixedWindowRateLimiter(DatabaseStorage("db://"))

    def try_twice(app):
        with app.app_context():
            return [judge.hit(limit, "somebody") for _ in range(2)]

    with ExitStack() as stack:
        apps = [stack.enter_context(running(settings_environment)) for _ in range(3)]
        passed = at_once(*[partial(try_twice, app) for app in apps * 8])

    assert sum(sum(both) for both in passed) == 20


@counted
def test_two_workers_let_exactly_the_limit_through_together(live):
    answers = live.client.in_parallel(30, "/auth/login", NOBODY)
    answers += live.client.in_parallel(40, "/auth/login", NOBODY)

    assert [answer.json["code"] for answer in answers].count("rate_limited") == 10


def test_while_valkey_is_gone_each_worker_counts_for_itself(settings_environment, tmp_path):
    with valkey_server() as url:
        environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on", "REDIS_URL": url}
        server = LiveServer(environ, tmp_path / "server.log")
        try:
            server.start()
            redis.Redis.from_url(url).shutdown(nosave=True)
            answers = [server.post("/auth/login", somebody()).status_code for _ in range(125)]
        finally:
            server.kill()

    assert set(answers) == {401, 429}
    assert 60 <= answers.count(401) <= 2 * 60


# The switch


def test_off_is_said_loudly_and_lets_everybody_through(settings_environment, capsys):
    with running(settings_environment) as app:
        statuses = log_in(app, 70)

    assert settings_environment["GATEHOUSE_RATE_LIMITS"] == "off"
    assert set(statuses) == {401}
    assert "The limits of the routes are off" in capsys.readouterr().err


def test_on_is_nothing_to_shout_about(settings_environment, capsys):
    with running(settings_environment | {"GATEHOUSE_RATE_LIMITS": "on"}):
        assert "limits of the routes" not in capsys.readouterr().err


def test_every_limit_of_the_table_is_charged_by_a_route(app):
    charged = {getattr(view, "limit", None) for view in app.view_functions.values()}

    assert charged - {None} == set(limits.LIMITS)


@counted
@pytest.mark.settings(GATEHOUSE_TRUSTED_HOPS="1")
def test_the_address_that_counts_is_the_one_the_trusted_proxy_saw(app):
    client = Client(app.test_client)

    def come_from(address):
        headers = {"X-Forwarded-For": address}
        return client.post("/auth/login", somebody(), headers=headers).status_code

    assert [come_from(f"192.0.2.{n}, 198.51.100.7") for n in range(61)][-2:] == [401, 429]
    assert come_from("198.51.100.8") == 401


@counted
def test_without_a_trusted_proxy_nobody_can_say_who_they_are(app):
    client = app.test_client()

    statuses = [
        client.post(
            "/auth/login", json=somebody(), headers={"X-Forwarded-For": f"192.0.2.{n}"}
        ).status_code
        for n in range(61)
    ]

    assert statuses[-2:] == [401, 429]
