"""Limits of the routes: exactly so many in a window, by whom they are counted, and what is told."""

import re
from itertools import count

import pytest
import redis
import time_machine
from limits import parse

from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.users.identifiers import destination
from gatehouse.web import rate_limits
from gatehouse.web.rate_limits import LIMITS
from models import LimitCounter
from tests.conftest import key, running
from tests.rows import rows
from tests.surface.conftest import contents

NOBODY = {"identifier": "nobody@example.com", "password": "wrong"}
POLICY = re.compile(r'"(address|destination|everyone)";q=([1-9]\d*);w=([1-9]\d*)')
STATE = re.compile(r'"(address|destination|everyone)";r=0;t=([1-9]\d*)')
"""draft-ietf-httpapi-ratelimit-headers, sections 3 and 4, as RFC 9651 writes a list of one item."""
NUMBERS = count()
counted = pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
counters = pytest.mark.parametrize(
    ("store", "with_redis"),
    [("sqlite", False), ("postgres", False), ("sqlite", True)],
    indirect=["store"],
    ids=["sqlite", "postgres", "valkey"],
)


@pytest.fixture
def limited(request, applications, settings_environment, with_redis):
    """Lend an application that counts, in the database or in Valkey."""
    environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on"}
    if with_redis:
        environ["REDIS_URL"] = request.getfixturevalue("valkey")
    with applications.lend(environ) as app:
        yield app


def somebody():
    """Name somebody new: guesses at one account run into the lockout sooner."""
    return NOBODY | {"identifier": f"nobody{next(NUMBERS)}@example.com"}


def log_in(app, times, address="192.0.2.1"):
    """Try to log in so many times from an address; return the statuses."""
    return [answer.status_code for answer in attempts(app, times, address)]


def attempts(app, times, address="192.0.2.1"):
    client, sender = app.test_client(), {"REMOTE_ADDR": address}
    post = [client.post] * times
    return [send("/auth/login", json=somebody(), environ_overrides=sender) for send in post]


def knock(app, times, address="192.0.2.1"):
    """Send so many forms without a login from an address; return the statuses.

    They are counted as logins are, and cost nobody a hash.
    """
    post, sender = app.test_client().post, {"REMOTE_ADDR": address}
    sent = [post("/auth/login", json={}, environ_overrides=sender) for _ in range(times)]
    return [answer.status_code for answer in sent]


def register(app, addresses, email="victim@example.com", **more):
    """Ask for an account with one e-mail address from many network addresses."""
    form = {"email": email, "password": "seven green lanterns", **more}
    client = app.test_client()
    return [
        client.post("/auth/register", json=form, environ_overrides={"REMOTE_ADDR": address})
        for address in addresses
    ]


def networks(count, first=1):
    return [f"198.51.{number // 250}.{number % 250 + 1}" for number in range(first, first + count)]


def counted_for(app):
    """Return the digest, the row and the column of the table, and the hits of each counter."""
    return [(*row.key.split("/")[2:5], row.hits) for row in rows(app, LimitCounter)]


def named(answer):
    """Return the limit that a refusal names, its quota, window and wait, read by the grammar."""
    policy = POLICY.fullmatch(answer.headers["RateLimit-Policy"])
    state = STATE.fullmatch(answer.headers["RateLimit"])
    assert policy[1] == state[1]
    assert answer.headers["Retry-After"] == state[2] == str(answer.json["retry_after"])
    return policy[1], int(policy[2]), int(policy[3]), int(state[2])


# What is told


@counters
@pytest.mark.requirement("RL-06")
def test_sixty_logins_a_minute_are_judged_and_the_next_is_refused(limited):
    *judged, refused = attempts(limited, 61)

    assert [answer.status_code for answer in judged] == [401] * 60
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert refused.mimetype == "application/problem+json"
    assert refused.headers["Cache-Control"] == "no-store"
    limit, quota, window, wait = named(refused)
    assert (limit, quota, window) == ("address", 60, 60)
    assert 1 <= wait <= 60


@counters
def test_what_is_let_through_says_nothing_about_limits(limited):
    """A count would make answers differ that must not, such as those about unknown accounts."""
    [answer] = attempts(limited, 1)

    assert not re.search("(?im)^(retry|ratelimit)", str(answer.headers))


@pytest.mark.stores
@counted
@pytest.mark.requirement("RL-06")
def test_the_request_after_the_stated_wait_succeeds(app):
    with time_machine.travel("2026-11-23T12:00:00.9Z", tick=False) as traveller:
        knock(app, 30)
        traveller.shift(12.3)
        knock(app, 30)
        [refused] = attempts(app, 1)
        _, _, _, wait = named(refused)
        traveller.shift(wait - 1)
        early = knock(app, 1)
        traveller.shift(1)
        again = knock(app, 61)

    assert wait == 48
    assert (early, again[-2:]) == ([429], [422, 429])


@counted
@pytest.mark.requirement("RL-06")
def test_of_several_limits_that_are_used_up_the_longest_to_wait_for_is_told(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        register(app, networks(10))
        register(app, ["192.0.2.1"] * 60, email="other@example.com")
        [refused] = register(app, ["192.0.2.1"])
        traveller.shift(named(refused)[3])
        [after] = register(app, ["192.0.2.1"])

    assert named(refused) == ("destination", 10, 600, 600)
    assert after.status_code == 202


# Who is counted


@counters
@pytest.mark.requirement("RL-05")
def test_addresses_are_counted_apart_and_a_network_of_version_6_together(limited):
    knock(limited, 60, "192.0.2.1")
    hundred = [knock(limited, 1, f"2001:db8::{n:x}:{n:x}")[0] for n in range(1, 101)]

    assert hundred == [422] * 60 + [429] * 40
    assert knock(limited, 1, "192.0.2.2") == [422]
    assert knock(limited, 1, "::ffff:192.0.2.1") == [429]  # the same address, RFC 4291
    assert knock(limited, 1, "2001:db8:0:1::1") == [422]


@counters
@pytest.mark.requirement("RL-05")
def test_one_destination_is_written_to_ten_times_in_ten_minutes_from_wherever(limited):
    spellings = [
        "victim@b\u00fccher.example",
        "VICTIM@xn--bcher-kva.example",
        "Victim@B\u00dcCHER.example",
    ]
    answers = [
        register(limited, [address], spellings[number % 3])[0]
        for number, address in enumerate(networks(11))
    ]

    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert named(answers[-1])[:3] == ("destination", 10, 600)
    assert register(limited, networks(1), "somebody.else@example.com")[0].status_code == 202


@counted
@pytest.mark.requirement("RL-05")
def test_a_known_and_an_unknown_destination_are_counted_alike(app, make_user):
    user = make_user(email="known@example.com")

    known = register(app, networks(11), user.email)
    unknown = register(app, networks(11, first=100), "unknown@example.com")

    assert [a.status_code for a in known] == [a.status_code for a in unknown]
    assert named(known[-1])[:3] == named(unknown[-1])[:3] == ("destination", 10, 600)


@counters
@pytest.mark.requirement("RL-05")
@pytest.mark.parametrize("name", [name for name, row in LIMITS.items() if row.everyone])
def test_all_together_have_a_limit_where_a_request_costs_a_hash_or_a_mail(limited, name):
    paths = {
        getattr(limited.view_functions[r.endpoint], "limit", None): r.rule
        for r in limited.url_map.iter_rules()
    }
    spend_for_everyone(limited, name)

    answer = limited.test_client().post(paths[name], json={})

    assert answer.status_code == 429
    assert named(answer)[:3] == ("everyone", parse(LIMITS[name].everyone).amount, 60)


def spend_for_everyone(app, name):
    """Use up what all together have, as a thousand addresses would."""
    shared = next(charge for charge in rate_limits.charges(name) if charge.kind == "everyone")
    with app.test_request_context():
        key = shared.item.key_for(rate_limits.PREFIX, rate_limits.everyone(), shared.scope)
        rate_limits.limiter.storage.incr(key, 60, shared.item.amount)


@counted
@pytest.mark.requirement("RL-05")
def test_what_one_address_has_too_many_of_is_charged_to_nobody_else(app):
    """Else one address could use up what all together have, and what a destination has."""
    register(app, ["192.0.2.1"] * 60, "other@example.com")
    register(app, ["192.0.2.1"] * 15, "victim@example.com")

    assert register(app, ["192.0.2.2"])[0].status_code == 202
    [hits] = [hits for _, _, kind, hits in counted_for(app) if kind == "everyone"]
    assert hits == 10 + 1  # what the destination refused is not charged either


@counted
@pytest.mark.parametrize(
    "form",
    [{}, [], "text", {"email": 7}, {"email": "no address"}, {"email": None, "phone": ["+49"]}],
)
def test_a_body_that_names_nobody_is_charged_to_its_sender_only(app, form):
    answer = app.test_client().post("/auth/register", json=form)

    assert answer.status_code == 422
    assert {kind for _, _, kind, _ in counted_for(app)} == {"address", "everyone"}


@counted
def test_broken_json_is_charged_to_its_sender(app):
    post = app.test_client().post
    statuses = [
        post("/auth/register", data="{", content_type="application/json").status_code
        for _ in range(61)
    ]

    assert statuses == [400] * 60 + [429]


def test_the_destination_of_a_body_is_its_address_else_its_number():
    assert destination({"email": "Ann@EXAMPLE.com", "phone": "+4915112345678"}) == "ann@example.com"
    assert destination({"phone": "+49 151 12345678"}) == "+4915112345678"
    assert destination({"phone": "0151"}) == ""
    assert destination({"identifier": "ann@example.com"}) == ""


@counters
def test_no_counter_names_an_address(limited, request, with_redis):
    log_in(limited, 1, "192.0.2.1")
    log_in(limited, 1, "2001:db8::1")
    register(limited, ["192.0.2.1"], "victim@example.com", phone="+4915112345678")

    if with_redis:
        with redis.Redis.from_url(request.getfixturevalue("valkey")) as connection:
            keys = [name.decode() for name in connection.scan_iter()]
    else:
        keys = [row.key for row in rows(limited, LimitCounter)]
    digests = [name.split("/")[2] for name in keys]
    assert sorted(map(len, digests)) == [len("everyone")] * 2 + [32] * 4
    assert not re.search(r"192\.0\.2\.1|2001:db8|victim|49151", "".join(keys))


@counted
def test_the_store_alone_does_not_tell_whom_a_counter_is_about(app, settings_environment):
    """The digests are keyed: with other secrets the same address has another counter."""
    log_in(app, 1)
    others = {**settings_environment, "GATEHOUSE_SECRET_KEYS": key(5)}
    with running(others) as second:
        log_in(second, 1)

    assert len({digest for digest, _, kind, _ in counted_for(app) if kind == "address"}) == 2


# What is charged


@counted
def test_a_refresh_charges_one_limit(app, client):
    client.post("/auth/refresh", {"refresh_token": "x"})

    assert [counter[1:] for counter in counted_for(app)] == [("refresh", "address", 1)]


@counted
def test_each_limit_has_a_count_of_its_own(app, client):
    knock(app, 61, "127.0.0.1")

    assert client.post("/auth/login", NOBODY).status_code == 429
    assert client.post("/auth/refresh", {"refresh_token": "x"}).status_code == 401
    assert client.register("ada@example.com").status_code == 202


@counted
def test_what_is_refused_is_not_judged(app, client, make_user):
    user = make_user()
    knock(app, 60, "127.0.0.1")
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
        first = knock(app, 61)
        traveller.shift(59)
        still = knock(app, 1)
        traveller.shift(2)
        again = knock(app, 61)

    assert (first[-2:], still, again[-2:]) == ([422, 429], [429], [422, 429])


@pytest.mark.stores
@counted
def test_counters_whose_window_is_over_are_deleted(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        log_in(app, 1, "192.0.2.1")
        traveller.shift(61)
        log_in(app, 1, "192.0.2.2")
        with app.app_context():
            with writing():
                rate_limits.purge()
            db.session.commit()

        assert {row.expires_at > clock.seconds() for row in rows(app, LimitCounter)} == {True}


# The table


def test_every_limit_of_the_table_is_charged_by_a_route(app):
    charged = {getattr(view, "limit", None) for view in app.view_functions.values()}

    assert charged - {None} == set(LIMITS)


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_charged_in_the_order_of_the_table(name):
    """Flask-Limiter takes seconds before minutes before hours: a row must not mix them wrongly."""
    grains = [charge.item.GRANULARITY.seconds for charge in rate_limits.charges(name)]

    assert grains == sorted(grains)


# The switch


def test_off_is_said_loudly_and_lets_everybody_through(settings_environment, capsys):
    with running(settings_environment) as app:
        statuses = knock(app, 70)

    assert settings_environment["GATEHOUSE_RATE_LIMITS"] == "off"
    assert set(statuses) == {422}
    assert "The limits of the routes are off" in capsys.readouterr().err


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS=None)
def test_on_is_what_one_gets_by_saying_nothing_and_is_nothing_to_shout_about(app, capsys):
    assert knock(app, 61)[-2:] == [422, 429]
    assert "limits of the routes" not in capsys.readouterr().err
