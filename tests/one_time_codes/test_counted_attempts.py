"""Attempts at codes are counted per account, alike for known and unknown identifiers."""

from datetime import UTC, datetime

import pytest
import time_machine

from tests.client import PASSWORD
from tests.login_attempts import set_failures

WRONG = "00000000"
FIRST = 26
"""The 26th wrong code in a row from a network has to wait."""


def request_tokens(client, email):
    """Request codes for everything; the fourth link and recovery code are not sent."""
    links = [client.post("/auth/login/link", {"email": email}).json for _ in range(4)]
    recoveries = [client.post("/auth/mfa/recovery", {"email": email}).json for _ in range(4)]
    client.post("/auth/password/forgot", {"email": email})
    return {
        "email": email,
        "registration": client.register(email).json["registration_token"],
        "links": [answer["login_token"] for answer in links],
        "recoveries": [answer["recovery_token"] for answer in recoveries],
    }


def build_requests(known):
    """Return path and form of an attempt with a wrong code at each endpoint."""
    email = {"email": known["email"], "code": WRONG}
    link, recovery = "/auth/login/link/verify", "/auth/mfa/recovery/verify"
    links = [{"login_token": token, "code": WRONG} for token in known["links"]]
    recoveries = [
        {"recovery_token": token, "code": WRONG, "password": PASSWORD}
        for token in known["recoveries"]
    ]
    registration = {"registration_token": known["registration"]}
    return {
        "email": ("/auth/email/verify", email | {"password": PASSWORD}),
        "registration": ("/auth/email/verify", email | registration),
        "reset": ("/auth/password/reset", email | {"password": PASSWORD}),
        "link": (link, links[0]),
        "suppressed-link": (link, links[3]),
        "recovery": (recovery, recoveries[0]),
        "suppressed-recovery": (recovery, recoveries[3]),
    }


ENDPOINTS = (
    *("email", "registration", "reset"),
    *("link", "suppressed-link", "recovery", "suppressed-recovery"),
)


def observe(client, path, form):
    """Return what distinguishes one answer from another."""
    response = client.post(path, form)
    return response.status_code, response.json["code"], response.headers.get("Retry-After")


def group_answers(order, answers):
    """Return the answers of each endpoint."""
    grouped = {}
    for name, answer in zip(order, answers, strict=True):
        grouped.setdefault(name, []).append(answer)
    return grouped


@pytest.mark.requirement("RL-07", "RL-03")
def test_code_attempts_are_answered_alike_for_known_and_unknown_identifiers(client, make_user):
    """Forty attempts each: one endpoint until it has to wait, then every other one."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        for first in ENDPOINTS:
            others = [name for name in ENDPOINTS if name != first]
            order = [first] * FIRST + others * 2 + [first, first]
            known, unknown = f"known-{first}@example.com", f"unkwn-{first}@example.com"
            make_user(email=known)
            answers = []
            for email in (known, unknown):
                requests = build_requests(request_tokens(client, email))
                answers.append([observe(client, *requests[name]) for name in order])

            assert len(order) == 40
            assert answers[0] == answers[1], first
            statuses = {
                name: {status for status, _, _ in part}
                for name, part in group_answers(order[FIRST:], answers[0][FIRST:]).items()
            }
            closed = {401} if first == "registration" else {429}
            own = {name: closed for name in ENDPOINTS} | {"registration": {401}}
            assert statuses == own, first


@pytest.mark.stores
@pytest.mark.requirement("RL-02")
@pytest.mark.parametrize("email", ["known@example.com", "unknown@example.com"])
def test_codes_that_strangers_closed_open_again_after_a_day(app, client, make_user, wait, email):
    make_user(email="known@example.com")
    path, form = build_requests(request_tokens(client, email))["reset"]
    client.post(path, form)
    set_failures(app, 99)

    def attempt(ip_address="198.51.100.1"):
        response = client.post(path, form, environ_overrides={"REMOTE_ADDR": ip_address})
        return response.status_code, response.json.get("retry_after")

    hundredth, closed = attempt("203.0.113.9"), attempt()
    wait(hours=23)
    later = attempt()
    wait(seconds=later[1] + 1)

    assert (hundredth, closed) == ((401, None), (429, 24 * 3600))
    assert (later[0], 3590 <= later[1] <= 3600) == (429, True)
    assert [attempt() for _ in range(3)] == [(401, None)] * 3  # and counted from one


@pytest.mark.requirement("RL-06")
def test_closed_codes_name_the_longest_wait(app, client):
    """A network that waits an hour, where codes are closed for a day, waits a day."""
    requests = build_requests(request_tokens(client, "unknown@example.com"))
    path, form = requests["reset"]
    client.post(path, form)
    set_failures(app, 99)
    client.post(path, form)  # the network's 100th, and the 100th in all

    response = client.post(path, form)

    assert response.headers["Retry-After"] == str(24 * 3600)
