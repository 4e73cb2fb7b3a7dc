"""Signing keys rotate, retire and are withdrawn; no request fails of it."""

import threading
from datetime import timedelta

import pytest

from gatehouse.database.session import writing
from gatehouse.tokens import keys
from models import SigningKey
from tests.client import User
from tests.nursery import run_flask
from tests.patience import wait_until
from tests.rows import audited, rows
from tests.tokens.forgery import assert_refused, read
from tests.tokens.signing_keys import by_stage, published


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_rotation_lets_the_published_next_key_sign(app, client, make_user, operate):
    before = by_stage(app)
    operate("rotate")

    tokens = client.log_in(make_user())

    after = by_stage(app)
    assert after["active"] == before["next"]
    assert after["retiring"] == before["active"]
    assert len(after["next"]) == 1
    assert read(tokens["access_token"])[0]["kid"] == before["next"][0]
    assert published(client).keys() == {*after["active"], *after["retiring"], *after["next"]}


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_tokens_of_a_retiring_key_go_on(client, tokens, operate):
    operate("rotate")
    operate("rotate")

    assert client.as_(tokens).get("/auth/me").status_code == 200
    assert client.refresh(tokens).status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_a_key_that_some_worker_may_not_have_read_does_not_sign_yet(app):
    before = by_stage(app)

    with app.app_context(), pytest.raises(keys.TooYoung) as refusal, writing():
        keys.rotate(known_for=60)

    assert 50 < refusal.value.seconds <= 60
    assert by_stage(app) == before


@pytest.mark.requirement("JW-10")
def test_rotation_is_audited(app, operate):
    operate("rotate")

    active, following = by_stage(app)["active"], by_stage(app)["next"]
    assert [event.details["kid"] for event in audited(app, "key.activated")][1:] == active
    assert [event.details["kid"] for event in audited(app, "key.created")][2:] == following


@pytest.mark.requirement("JW-10")
def test_a_retiring_key_outlives_every_token_that_it_signed(
    app, client, tokens, operate, time_machine
):
    old = by_stage(app)["active"]
    operate("rotate")
    expiry = read(tokens["refresh_token"])[1]["exp"]

    time_machine.move_to(expiry - 60)
    operate("list")  # and let this worker notice the time
    refreshed = client.refresh(tokens)

    assert refreshed.status_code == 200
    assert by_stage(app)["retiring"] == old


@pytest.mark.requirement("JW-10")
def test_a_retired_key_verifies_nothing(app, client, tokens, forger, operate, time_machine):
    old = by_stage(app)["active"][0]
    eternal = forger.like(tokens["access_token"], claims={"exp": 9_999_999_999})
    operate("rotate")

    time_machine.move_to(rows(app, SigningKey, kid=old)[0].retired_at + timedelta(days=14, hours=1))
    operate("list")  # and let this worker notice the time

    assert old in by_stage(app)["gone"]
    assert old not in published(client)
    assert_refused(client.as_(eternal).get("/auth/me"), "token_invalid")


@pytest.mark.stores
@pytest.mark.requirement("JW-10")
def test_a_withdrawn_key_kills_its_tokens_at_once(app, client, tokens, operate):
    before = by_stage(app)
    assert client.as_(tokens).get("/auth/me").status_code == 200

    operate("revoke", before["active"][0])

    assert_refused(client.as_(tokens).get("/auth/me"), "token_invalid")
    assert_refused(client.refresh(tokens), "token_invalid")
    assert before["active"][0] not in published(client)
    assert by_stage(app)["active"] == before["next"]
    withdrawn = [event.details["kid"] for event in audited(app, "key.revoked")]
    assert withdrawn == before["active"]


def test_people_sign_in_again_after_a_key_was_withdrawn(client, app, make_user, operate):
    user = make_user()
    operate("revoke", by_stage(app)["active"][0])

    tokens = client.log_in(user)

    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_a_withdrawn_next_key_is_replaced(app, client, operate):
    following = by_stage(app)["next"][0]

    operate("revoke", following)

    assert len(by_stage(app)["next"]) == 1
    assert following not in published(client)


@pytest.mark.parametrize("again", [True, False])
def test_only_a_key_that_is_there_can_be_withdrawn(app, operate, again):
    kid = by_stage(app)["next"][0] if again else "unknown"
    if again:
        operate("revoke", kid)

    output = operate("revoke", kid, status=1)

    assert f"there is no key {kid}" in output


def test_the_operator_sees_every_key_and_its_stage(app, operate):
    operate("rotate")

    output = operate("list")

    stages = {kid: stage for stage, kids in by_stage(app).items() for kid in kids}
    lines = [line.split() for line in output.splitlines()]
    assert {line[2]: line[0] for line in lines} == stages


# Under load


class Visitor(threading.Thread):
    """Somebody who never stops asking and refreshing; notes every answer that is not 200."""

    def __init__(self, client, user):
        super().__init__()
        self.client, self.first = client, client.log_in(user)
        self.tokens, self.failures, self.asked = self.first, [], 0
        self.leaving = threading.Event()

    def run(self):
        while not self.leaving.is_set():
            self.note(self.client.as_(self.first).get("/auth/me"))
            self.note(self.client.as_(self.tokens).get("/auth/me"))
            refreshed = self.client.refresh(self.tokens)
            if self.note(refreshed):
                self.tokens = refreshed.json

    def note(self, answer):
        self.asked += 1
        if answer.status_code != 200:
            self.failures.append(answer.text)
        return answer.status_code == 200

    @property
    def kid(self):
        return read(self.tokens["access_token"])[0]["kid"]


def rotate_outside(live):
    """Run `flask keys rotate` as an operator would, and wait until the new key signs."""
    done = run_flask("keys", "rotate", environment=live.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


@pytest.mark.requirement("JW-10")
def test_no_request_fails_while_keys_rotate(live):
    user = live.client.sign_up(User("ada@example.com"))
    visitors = [Visitor(live.client, user) for _ in range(2)]
    for visitor in visitors:
        visitor.start()

    for _ in range(2):
        kid = rotate_outside(live)
        wait_until(lambda kid=kid: {visitor.kid for visitor in visitors} == {kid})
    for visitor in visitors:
        visitor.leaving.set()
        visitor.join(timeout=30)

    assert [visitor.failures for visitor in visitors] == [[], []]
    assert min(visitor.asked for visitor in visitors) > 30
    wait_until(lambda: len(published(live.client)) == 4)  # each worker follows in a moment
