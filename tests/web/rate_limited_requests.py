"""Requests that rate limits count, and what the responses say."""

import re
from itertools import count

import pytest

from models import LimitCounter
from tests.rows import rows

UNKNOWN_LOGIN = {"identifier": "nobody@example.com", "password": "wrong"}
POLICY = re.compile(
    r'"(ip_address|recipient_and_network|recipient|overall)";q=([1-9]\d*);w=([1-9]\d*)'
)
STATE = re.compile(r'"(ip_address|recipient_and_network|recipient|overall)";r=0;t=([1-9]\d*)')
"""draft-ietf-httpapi-ratelimit-headers, sections 3 and 4, as RFC 9651 writes a list of one item."""
NUMBERS = count()
limits_on = pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
each_store = pytest.mark.parametrize(
    ("store", "with_redis"),
    [("sqlite", False), ("postgres", False), ("sqlite", True)],
    indirect=["store"],
    ids=["sqlite", "postgres", "valkey"],
)


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
    """Return key, route, kind and hits of each counter of a route."""
    counters = [(row.key.split("/"), row.hits) for row in rows(app, LimitCounter)]
    return [(*parts[2:5], hits) for parts, hits in counters if len(parts) > 1]


def read_limit(response):
    """Parse the headers of a 429: kind of limit, quota, window and wait in seconds."""
    policy = POLICY.fullmatch(response.headers["RateLimit-Policy"])
    state = STATE.fullmatch(response.headers["RateLimit"])
    assert policy[1] == state[1]
    assert response.headers["Retry-After"] == state[2] == str(response.json["retry_after"])
    return policy[1], int(policy[2]), int(policy[3]), int(state[2])
