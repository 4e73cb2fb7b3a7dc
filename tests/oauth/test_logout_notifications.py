"""Back-channel logout: each client gets a logout token, again and again until it accepts it."""

import threading
from datetime import timedelta
from urllib.parse import parse_qs

import jwt
import pytest
import sqlalchemy as sa
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from gatehouse.database.session import db, write_transaction
from gatehouse.oauth import logout_queue, logout_worker
from gatehouse.oauth.logout_worker import LogoutWorker
from gatehouse.operations import cleanup
from models import LogoutNotification, OAuthClient
from tests.oauth.grants import authorize_grant
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.webhook_receiver import OK, webhook_receiver

ADA = "ada@example.com"
EVENT = "http://schemas.openid.net/event/backchannel-logout"

pytestmark = [
    pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1"),
    pytest.mark.requirement("OP-06"),
]


def read_form(body):
    """Return the logout token of a request: the only parameter of its form."""
    form = parse_qs(body.decode(), strict_parsing=True)
    assert form.keys() == {"logout_token"}
    [token] = form["logout_token"]
    return token


@pytest.fixture
def receiver():
    with webhook_receiver(read=read_form) as running:
        yield running


@pytest.fixture
def shop(make_client, receiver):
    return make_client(backchannel_logout_uri=receiver.url)


@pytest.fixture
def sign_out(app, client, make_user):
    """Let users sign in to clients, each once, and sign out; returns the last grant's id."""

    def sign_out_users(*client_ids, users=1):
        grant_id = None
        for number in range(users):
            user = make_user(email=f"user{len(rows(app, LogoutNotification))}-{number}@example.com")
            tokens = client.log_in(user)
            for client_id in client_ids:
                grant_id = authorize_grant(app, client_id, tokens["access_token"])
            assert client.as_(tokens).post("/auth/logout").status_code == 204
        return grant_id

    return sign_out_users


@pytest.fixture
def deliver(app):
    def run(worker=None):
        with app.app_context():
            return (worker or LogoutWorker()).deliver_due()

    return run


def states(app):
    return [row.state for row in rows(app, LogoutNotification)]


@pytest.mark.stores
@pytest.mark.requirement("JW-06")
def test_logout_token_has_exactly_what_the_standard_says(
    app, client, shop, sign_out, receiver, deliver
):
    sign_out("shop")

    deliver()

    [(headers, body)] = receiver.requests
    token = read_form(body)
    keys = KeySet.import_key_set(client.get("/.well-known/jwks.json").json)
    verified = joserfc_jwt.decode(token, keys, algorithms=["RS256", "ES256", "EdDSA"])
    [row] = rows(app, LogoutNotification)
    claims = verified.claims
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert verified.header["typ"] == "logout+jwt"
    assert claims.keys() == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    assert (claims["iss"], claims["aud"]) == ("http://localhost:8000", "shop")
    assert claims["events"] == {EVENT: {}}
    assert (claims["sub"], claims["sid"]) == (row.subject, str(row.sid))
    assert claims["exp"] - claims["iat"] == 120
    assert (row.state, row.last_status, row.attempts) == ("delivered", 200, 1)
    assert deliver() == 0


@pytest.mark.requirement("JW-06")
def test_logout_token_opens_nothing(client, shop, sign_out, receiver, deliver):
    sign_out("shop")
    deliver()
    [token] = receiver.events

    for path in ("/auth/me", "/gateway/verify", "/auth/sessions"):
        assert client.as_(token).get(path).status_code == 401
    assert client.post("/auth/refresh", {"refresh_token": token}).status_code == 401


def test_answers_decide_what_is_delivered_final_or_repeated(
    app, make_client, sign_out, receiver, deliver
):
    with webhook_receiver() as internal:
        expected = {
            200: "delivered",
            204: "delivered",
            202: "pending",
            302: "pending",
            308: "pending",
            400: "abandoned",
            404: "pending",
            500: "pending",
        }
        answers = iter(expected)
        receiver.answer = lambda _token: (next(answers), b"", {"Location": internal.url})
        for status in expected:
            make_client(id=f"c{status}", backchannel_logout_uri=receiver.url)
        sign_out(*[f"c{status}" for status in expected])
        with app.app_context():
            worker = LogoutWorker()
            for status in expected:
                worker._deliver_to(f"c{status}")

    found = {row.last_status: row.state for row in rows(app, LogoutNotification)}
    assert found == expected
    assert internal.requests == []  # no redirect is followed
    [abandoned] = audited(app, "client.logout_abandoned")
    assert abandoned.details["client"] == "c400"


@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST=None)
def test_logout_token_is_never_sent_to_an_internal_address(
    app, make_client, receiver, sign_out, deliver
):
    urls = {
        "shop": receiver.url,
        "metadata": "https://169.254.169.254/latest",
        "six": "https://[::1]/",
    }
    for name, url in urls.items():
        make_client(id=name, backchannel_logout_uri=url)
    sign_out(*urls)

    deliver()

    assert receiver.requests == []
    assert [(row.state, row.last_status) for row in rows(app, LogoutNotification)] == [
        ("pending", None)
    ] * 3


@pytest.mark.stores
def test_logout_is_repeated_for_a_day_then_abandoned(app, shop, sign_out, receiver, deliver, wait):
    receiver.answer = lambda _token: (503, b"", {})
    sign_out("shop")

    deliver()
    for delay in logout_queue.RETRY_DELAYS:
        assert deliver() == 0  # not due yet
        wait(seconds=delay.total_seconds())
        deliver()

    assert sum(logout_queue.RETRY_DELAYS, timedelta()) <= timedelta(hours=24)
    assert len(receiver.requests) == 1 + len(logout_queue.RETRY_DELAYS)
    ids = {
        jwt.decode(token, options={"verify_signature": False})["jti"] for token in receiver.events
    }
    assert len(ids) == len(receiver.requests)  # each is a new token that is not expired
    assert states(app) == ["abandoned"]
    assert len(audited(app, "client.logout_abandoned")) == 1
    wait(days=2)
    with app.app_context():
        cleanup.run_cleanup()
    assert states(app) == []


def test_receiver_that_is_down_gets_its_logout_when_it_is_back(
    app, make_client, sign_out, deliver, wait
):
    with webhook_receiver(read=read_form) as receiver:
        port = receiver.port
    make_client(backchannel_logout_uri=receiver.url)
    sign_out("shop", users=3)
    deliver()
    assert states(app) == ["pending"] * 3

    wait(minutes=1)
    with webhook_receiver(port, read_form) as restarted:
        deliver()

    assert len(restarted.requests) == 3
    assert states(app) == ["delivered"] * 3


def test_slow_receiver_is_given_up_after_a_time(
    app, shop, sign_out, receiver, deliver, monkeypatch
):
    monkeypatch.setattr(logout_worker, "TIMEOUT", 0.5)
    released = threading.Event()
    receiver.answer = lambda _token: (released.wait(60) and OK) or OK
    sign_out("shop")

    deliver()
    released.set()

    [row] = rows(app, LogoutNotification)
    assert (row.state, row.last_error) == ("pending", "127.0.0.1 took longer than 0.5 seconds.")


def test_slow_client_delays_no_other(app, make_client, sign_out, receiver):
    released, is_served = threading.Event(), threading.Event()
    receiver.answer = lambda _token: (released.wait(60) and OK) or OK
    make_client(id="slow", backchannel_logout_uri=receiver.url)
    with webhook_receiver(read=read_form) as other:
        other.answer = lambda _token: is_served.set() or OK
        make_client(id="quick", backchannel_logout_uri=other.url)
        sign_out("slow", "quick")
        worker = LogoutWorker()
        thread = threading.Thread(target=worker.run_until_stopped, args=(app,))
        thread.start()
        was_served = is_served.wait(60)
        released.set()
        worker.stop_requested.set()
        thread.join(60)

    assert was_served


@pytest.mark.stores
def test_notification_of_a_dead_worker_is_sent_again(app, shop, sign_out, receiver, deliver, wait):
    sign_out("shop")
    with app.app_context():
        with write_transaction():
            [lease] = logout_queue.lease_notifications("shop", 10)
        db.session.commit()

    deliver()
    assert receiver.requests == []
    wait(minutes=3)
    deliver()

    assert states(app) == ["delivered"]
    with app.app_context():
        with write_transaction():
            assert logout_queue.mark_delivered(lease, 200) is False
        db.session.commit()


@pytest.mark.stores
def test_notification_is_sent_once_by_twenty_parallel_workers(app, shop, sign_out, receiver, store):
    sign_out("shop", users=8)

    def work():
        with app.app_context():
            worker = LogoutWorker()
            while "pending" in states(app):
                worker.deliver_due()

    run_in_parallel(*[work] * (20 if store.startswith("postgresql") else 4))

    assert len(receiver.requests) == 8


def test_client_that_removed_its_url_is_not_waited_for(app, shop, sign_out, receiver, deliver):
    sign_out("shop")
    with app.app_context():
        db.session.execute(sa.update(OAuthClient).values(backchannel_logout_uri=None))
        db.session.commit()

    deliver()

    assert receiver.requests == []
    assert states(app) == ["abandoned"]


def test_release_of_a_lease_does_not_count_the_attempt(app, shop, sign_out, deliver):
    sign_out("shop", users=2)
    with app.app_context():
        worker = LogoutWorker()
        worker.is_valid = lambda _lease: False
        worker._deliver_to("shop", 0.0)

    found = [(row.attempts, row.leased_until) for row in rows(app, LogoutNotification)]
    assert found == [(0, None)] * 2
