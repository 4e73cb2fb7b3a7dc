"""Rotate, retire and revoke signing keys, without failing requests."""

import threading
from datetime import timedelta

import pytest

from gatehouse.database.session import write_transaction
from gatehouse.tokens import keys
from gatehouse.web.request_context import NO_REQUEST
from models import SigningKey
from tests.child_processes import run_flask
from tests.client import User
from tests.polling import wait_until
from tests.rows import audited, rows
from tests.tokens.forgery import assert_rejected, decode_token
from tests.tokens.signing_keys import fetch_published_keys, kids_by_stage


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_rotation_activates_the_published_next_key(app, client, make_user, run_keys_command):
    before = kids_by_stage(app)
    run_keys_command("rotate")

    tokens = client.log_in(make_user())

    after = kids_by_stage(app)
    assert after["active"] == before["next"]
    assert after["retired"] == before["active"]
    assert len(after["next"]) == 1
    assert decode_token(tokens["access_token"])[0]["kid"] == before["next"][0]
    assert fetch_published_keys(client).keys() == {
        kid for kids in (*after.values(), *kids_by_stage(app, "RS256").values()) for kid in kids
    }


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_retired_key_still_verifies_its_tokens(client, tokens, run_keys_command):
    run_keys_command("rotate")
    run_keys_command("rotate")

    assert client.as_(tokens).get("/auth/me").status_code == 200
    assert client.refresh(tokens).status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_rotation_waits_until_the_next_key_is_published_long_enough(app):
    before = kids_by_stage(app)

    with app.app_context(), pytest.raises(keys.KeyNotYetPublished) as error, write_transaction():
        keys.rotate_keys(NO_REQUEST, published_for=60)

    assert 30 < error.value.seconds <= 60
    assert kids_by_stage(app) == before


@pytest.mark.requirement("JW-10")
def test_rotation_is_audited(app, run_keys_command):
    run_keys_command("rotate")

    stages = kids_by_stage(app, "ES256"), kids_by_stage(app, "RS256")
    activated = [event.details["kid"] for event in audited(app, "key.activated")]
    created = [event.details["kid"] for event in audited(app, "key.created")]
    assert activated[2:] == [kid for each in stages for kid in each["active"]]
    assert created[4:] == [kid for each in stages for kid in each["next"]]


@pytest.mark.requirement("JW-10")
def test_retired_key_is_valid_until_its_last_token_has_expired(
    app, client, tokens, run_keys_command, time_machine
):
    old = kids_by_stage(app)["active"]
    run_keys_command("rotate")
    expiry = decode_token(tokens["refresh_token"])[1]["exp"]

    time_machine.move_to(expiry - 60)
    run_keys_command("list")  # and let this worker notice the time
    refreshed = client.refresh(tokens)

    assert refreshed.status_code == 200
    assert kids_by_stage(app)["retired"] == old


@pytest.mark.requirement("JW-10")
def test_expired_key_verifies_nothing(app, client, tokens, forger, run_keys_command, time_machine):
    old = kids_by_stage(app)["active"][0]
    eternal = forger.sign_again(tokens["access_token"], claims={"exp": 9_999_999_999})
    run_keys_command("rotate")

    time_machine.move_to(rows(app, SigningKey, kid=old)[0].retired_at + timedelta(days=14, hours=1))
    run_keys_command("list")  # and let this worker notice the time

    assert old in kids_by_stage(app)["expired"]
    assert old not in fetch_published_keys(client)
    assert_rejected(client.as_(eternal).get("/auth/me"), "token_invalid")


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_revoked_key_invalidates_its_tokens_immediately(app, client, tokens, run_keys_command):
    before = kids_by_stage(app)
    assert client.as_(tokens).get("/auth/me").status_code == 200

    run_keys_command("revoke", before["active"][0])

    assert_rejected(client.as_(tokens).get("/auth/me"), "token_invalid")
    assert_rejected(client.refresh(tokens), "token_invalid")
    assert before["active"][0] not in fetch_published_keys(client)
    assert kids_by_stage(app)["active"] == before["next"]
    revoked = [event.details["kid"] for event in audited(app, "key.revoked")]
    assert revoked == before["active"]


def test_revoked_active_key_is_replaced_for_new_logins(client, app, make_user, run_keys_command):
    user = make_user()
    run_keys_command("revoke", kids_by_stage(app)["active"][0])

    tokens = client.log_in(user)

    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_revoked_next_key_is_replaced(app, client, run_keys_command):
    following = kids_by_stage(app)["next"][0]

    run_keys_command("revoke", following)

    assert len(kids_by_stage(app)["next"]) == 1
    assert following not in fetch_published_keys(client)


@pytest.mark.parametrize("again", [True, False])
def test_revoke_command_reports_an_unknown_or_revoked_key(app, run_keys_command, again):
    kid = kids_by_stage(app)["next"][0] if again else "unknown"
    if again:
        run_keys_command("revoke", kid)

    output = run_keys_command("revoke", kid, status=1)

    assert f"there is no key {kid}" in output


def test_list_command_shows_every_key_and_its_stage(app, run_keys_command):
    run_keys_command("rotate")

    output = run_keys_command("list")

    kids = kids_by_stage(app, "ES256", "RS256")
    stages = {kid: stage for stage in kids for kid in kids[stage]}
    lines = [line.split() for line in output.splitlines()]
    assert {line[2]: line[0] for line in lines} == stages


# Under load


class BusyClient(threading.Thread):
    """A client that sends requests and refreshes until it is stopped; collects all failures."""

    def __init__(self, client, user):
        super().__init__()
        self.client, self.first = client, client.log_in(user)
        self.tokens, self.failures, self.requests = self.first, [], 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            self.check(self.client.as_(self.first).get("/auth/me"))
            self.check(self.client.as_(self.tokens).get("/auth/me"))
            refreshed = self.client.refresh(self.tokens)
            if self.check(refreshed):
                self.tokens = refreshed.json

    def check(self, response):
        self.requests += 1
        if response.status_code != 200:
            self.failures.append(response.text)
        return response.status_code == 200

    @property
    def kid(self):
        return decode_token(self.tokens["access_token"])[0]["kid"]


def run_rotate_command(live):
    """Run `gatehouse keys rotate` in a process of its own and return the kid of the new key."""
    done = run_flask("keys", "rotate", environment=live.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


@pytest.mark.requirement("JW-10")
def test_rotation_fails_no_request_of_a_running_server(live):
    user = live.client.sign_up(User("ada@example.com"))
    clients = [BusyClient(live.client, user) for _ in range(2)]
    for client in clients:
        client.start()

    for _ in range(2):
        kid = run_rotate_command(live)
        wait_until(lambda kid=kid: {client.kid for client in clients} == {kid})
    for client in clients:
        client.stopping.set()
        client.join(timeout=60)

    assert [client.failures for client in clients] == [[], []]
    assert min(client.requests for client in clients) > 30
    wait_until(lambda: len(fetch_published_keys(live.client)) == 8)
