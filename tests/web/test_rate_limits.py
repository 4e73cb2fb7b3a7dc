"""Rate limits: exact counts per window, counter keys, and the 429 response."""

import re
from itertools import count

import pytest
import redis
import time_machine
from limits import parse

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.users.identifiers import get_recipient
from gatehouse.web import rate_limits
from gatehouse.web.rate_limits import ROUTE_LIMITS
from models import LimitCounter
from tests.conftest import key, running
from tests.rows import rows
from tests.surface.conftest import read_tables

UNKNOWN_LOGIN = {"identifier": "nobody@example.com", "password": "wrong"}
POLICY = re.compile(r'"(ip_address|recipient|overall)";q=([1-9]\d*);w=([1-9]\d*)')
STATE = re.compile(r'"(ip_address|recipient|overall)";r=0;t=([1-9]\d*)')
"""draft-ietf-httpapi-ratelimit-headers, sections 3 and 4, as RFC 9651 writes a list of one item."""
NUMBERS = count()
limits_on = pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
each_store = pytest.mark.parametrize(
    ("store", "with_redis"),
    [("sqlite", False), ("postgres", False), ("sqlite", True)],
    indirect=["store"],
    ids=["sqlite", "postgres", "valkey"],
)


@pytest.fixture
def limited_app(request, application_pool, settings_environment, with_redis):
    """Yield an application that counts in the database or in Valkey."""
    environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on"}
    if with_redis:
        environ["REDIS_URL"] = request.getfixturevalue("valkey")
    with application_pool.acquire(environ) as app:
        yield app


def new_login():
    """Return a login for another unknown account, so that the lockout does not interfere."""
    return UNKNOWN_LOGIN | {"identifier": f"nobody{next(NUMBERS)}@example.com"}


def log_in(app, times, ip_address="192.0.2.1"):
    """Try so many logins from an IP address; return the statuses."""
    return [response.status_code for response in send_logins(app, times, ip_address)]


def send_logins(app, times, ip_address="192.0.2.1"):
    client, peer = app.test_client(), {"REMOTE_ADDR": ip_address}
    post = [client.post] * times
    return [send("/auth/login", json=new_login(), environ_overrides=peer) for send in post]


def send_empty_logins(app, times, ip_address="192.0.2.1"):
    """Send so many empty login forms from an IP address; return the statuses.

    They are counted like logins, without the cost of a hash.
    """
    post, peer = app.test_client().post, {"REMOTE_ADDR": ip_address}
    sent = [post("/auth/login", json={}, environ_overrides=peer) for _ in range(times)]
    return [response.status_code for response in sent]


def register(app, ip_addresses, email="victim@example.com", **more):
    """Register one e-mail address from many IP addresses."""
    form = {"email": email, "password": "seven green lanterns", **more}
    client = app.test_client()
    return [
        client.post("/auth/register", json=form, environ_overrides={"REMOTE_ADDR": ip_address})
        for ip_address in ip_addresses
    ]


def make_ip_addresses(count, first=1):
    return [f"198.51.{number // 250}.{number % 250 + 1}" for number in range(first, first + count)]


def read_counters(app):
    """Return key, route, kind and hits of each counter."""
    return [(*row.key.split("/")[2:5], row.hits) for row in rows(app, LimitCounter)]


def read_limit(response):
    """Parse the headers of a 429: kind of limit, quota, window and wait in seconds."""
    policy = POLICY.fullmatch(response.headers["RateLimit-Policy"])
    state = STATE.fullmatch(response.headers["RateLimit"])
    assert policy[1] == state[1]
    assert response.headers["Retry-After"] == state[2] == str(response.json["retry_after"])
    return policy[1], int(policy[2]), int(policy[3]), int(state[2])


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


# Counter keys


@each_store
@pytest.mark.requirement("RL-05")
def test_ip_address_limit_counts_each_ipv4_address_and_ipv6_64(limited_app):
    send_empty_logins(limited_app, 60, "192.0.2.1")
    statuses = [
        send_empty_logins(limited_app, 1, f"2001:db8::{n:x}:{n:x}")[0] for n in range(1, 101)
    ]

    assert statuses == [422] * 60 + [429] * 40
    assert send_empty_logins(limited_app, 1, "192.0.2.2") == [422]
    mapped = "::ffff:192.0.2.1"  # the same address, RFC 4291 section 2.5.5.2
    assert send_empty_logins(limited_app, 1, mapped) == [429]
    assert send_empty_logins(limited_app, 1, "2001:db8:0:1::1") == [422]


@each_store
@pytest.mark.requirement("RL-05")
def test_recipient_limit_counts_all_spellings_and_ip_addresses(limited_app):
    spellings = [
        "victim@b\u00fccher.example",
        "VICTIM@xn--bcher-kva.example",
        "Victim@B\u00dcCHER.example",
    ]
    responses = [
        register(limited_app, [ip_address], spellings[number % 3])[0]
        for number, ip_address in enumerate(make_ip_addresses(11))
    ]

    assert [response.status_code for response in responses] == [202] * 10 + [429]
    assert read_limit(responses[-1])[:3] == ("recipient", 10, 600)
    assert register(limited_app, make_ip_addresses(1), "another@example.com")[0].status_code == 202


@limits_on
@pytest.mark.requirement("RL-05")
def test_recipient_limit_is_the_same_for_known_and_unknown_recipients(app, make_user):
    user = make_user(email="known@example.com")

    known = register(app, make_ip_addresses(11), user.email)
    unknown = register(app, make_ip_addresses(11, first=100), "unknown@example.com")

    assert [a.status_code for a in known] == [a.status_code for a in unknown]
    assert read_limit(known[-1])[:3] == read_limit(unknown[-1])[:3] == ("recipient", 10, 600)


@each_store
@pytest.mark.requirement("RL-05")
def test_overall_limit_applies_where_a_request_costs_a_hash_or_a_message(limited_app):
    paths = {
        getattr(limited_app.view_functions[rule.endpoint], "limit", None): rule.rule
        for rule in limited_app.url_map.iter_rules()
    }
    for name, limits in ROUTE_LIMITS.items():
        if not limits.overall:
            continue
        exhaust_overall_limit(limited_app, name)

        response = limited_app.test_client().post(paths[name], json={})

        assert response.status_code == 429, name
        assert read_limit(response)[:3] == ("overall", parse(limits.overall).amount, 60), name


def exhaust_overall_limit(app, name):
    """Exhaust the overall limit, as a thousand IP addresses would."""
    rule = next(rule for rule in rate_limits.rules_for(name) if rule.kind == "overall")
    with app.test_request_context():
        key = rule.item.key_for(rate_limits.KEY_PREFIX, rate_limits.overall_key(), rule.scope)
        rate_limits.limiter.storage.incr(key, 60, rule.item.amount)


@limits_on
@pytest.mark.requirement("RL-05")
def test_request_over_the_ip_address_limit_is_not_counted_elsewhere(app):
    """Otherwise one client could exhaust the overall limit, or that of a recipient."""
    register(app, ["192.0.2.1"] * 60, "other@example.com")
    register(app, ["192.0.2.1"] * 15, "victim@example.com")

    assert register(app, ["192.0.2.2"])[0].status_code == 202
    [hits] = [hits for _, _, kind, hits in read_counters(app) if kind == "overall"]
    assert hits == 10 + 1  # requests over the recipient's limit are not counted either


@limits_on
def test_body_without_a_recipient_is_not_counted_for_one(app):
    forms = [{}, [], "text", {"email": 7}, {"email": "invalid"}, {"email": None, "phone": ["+49"]}]

    for form in forms:
        response = app.test_client().post("/auth/register", json=form)

        assert response.status_code == 422, form
        assert {kind for _, _, kind, _ in read_counters(app)} == {"ip_address", "overall"}, form


@limits_on
def test_malformed_json_is_counted_for_its_ip_address(app):
    post = app.test_client().post
    statuses = [
        post("/auth/register", data="{", content_type="application/json").status_code
        for _ in range(61)
    ]

    assert statuses == [400] * 60 + [429]


def test_recipient_is_the_email_address_or_else_the_phone_number():
    assert (
        get_recipient({"email": "Ann@EXAMPLE.com", "phone": "+4915112345678"}) == "ann@example.com"
    )
    assert get_recipient({"phone": "+49 151 12345678"}) == "+4915112345678"
    assert get_recipient({"phone": "0151"}) == ""
    assert get_recipient({"identifier": "ann@example.com"}) == ""


@each_store
def test_counter_keys_contain_no_address_or_number(limited_app, request, with_redis):
    log_in(limited_app, 1, "192.0.2.1")
    log_in(limited_app, 1, "2001:db8::1")
    register(limited_app, ["192.0.2.1"], "victim@example.com", phone="+4915112345678")

    if with_redis:
        with redis.Redis.from_url(request.getfixturevalue("valkey")) as connection:
            keys = [name.decode() for name in connection.scan_iter()]
    else:
        keys = [row.key for row in rows(limited_app, LimitCounter)]
    digests = [name.split("/")[2] for name in keys]
    assert sorted(map(len, digests)) == [len("everyone")] * 2 + [32] * 4
    assert not re.search(r"192\.0\.2\.1|2001:db8|victim|49151", "".join(keys))


@limits_on
def test_counter_keys_depend_on_the_secret_keys(app, settings_environment):
    """The digests are keyed: with other secret keys an IP address has another counter."""
    log_in(app, 1)
    other_secrets = {**settings_environment, "GATEHOUSE_SECRET_KEYS": key(5)}
    with running(other_secrets) as second:
        log_in(second, 1)

    assert len({digest for digest, _, kind, _ in read_counters(app) if kind == "ip_address"}) == 2


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

    assert charged - {None} == set(ROUTE_LIMITS)


def test_limits_are_counted_in_the_order_of_the_table():
    """Flask-Limiter checks seconds before minutes before hours: a row must not mix them."""
    for name in ROUTE_LIMITS:
        granularities = [rule.item.GRANULARITY.seconds for rule in rate_limits.rules_for(name)]

        assert granularities == sorted(granularities), name


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
