"""Verified tokens are remembered, and never longer or more of them than is right."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gatehouse.database.session import db, writing
from gatehouse.tokens import jwt_verification, keys, sync, worker_state
from tests.tokens.forgery import assert_refused, read


def test_a_token_is_verified_once_and_then_known(client, tokens, memory, monkeypatch):
    first = client.as_(tokens).get("/gateway/verify")
    monkeypatch.setattr(jwt_verification, "claims_of", None)  # whoever decodes from here on fails

    second = client.as_(tokens).get("/gateway/verify")

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["X-Auth-User"] == first.headers["X-Auth-User"] == tokens["user"]["id"]


def test_the_memory_is_bounded_and_the_oldest_makes_room(client, tokens, memory, monkeypatch):
    monkeypatch.setattr(worker_state, "CACHE_SIZE", 3)
    answers = [client.refresh(tokens).json for _ in range(6)]

    for answer in answers:
        assert client.as_(answer).get("/gateway/verify").status_code == 200

    jtis = [read(answer["access_token"])[1]["jti"] for answer in answers]
    assert [token.jti for token in memory.verified.values()] == jtis[-3:]
    assert client.as_(answers[0]).get("/gateway/verify").status_code == 200


def test_many_threads_share_a_small_memory(client, tokens, memory, monkeypatch):
    monkeypatch.setattr(worker_state, "CACHE_SIZE", 2)
    answers = [client.refresh(tokens).json for _ in range(8)]

    def ask(number):
        return client.as_(answers[number % 8]).get("/gateway/verify").status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(ask, range(400)))

    assert statuses == {200}
    assert len(memory.verified) <= 2


def test_a_remembered_token_still_expires(client, tokens, memory, time_machine):
    assert client.as_(tokens).get("/auth/me").status_code == 200
    expiry = read(tokens["access_token"])[1]["exp"]

    time_machine.move_to(expiry + 5)

    assert_refused(client.as_(tokens).get("/auth/me"), "token_expired")
    assert memory.verified == {}


def test_a_remembered_token_still_dies_with_its_session(client, tokens, memory):
    assert client.as_(tokens).get("/auth/me").status_code == 200

    client.as_(tokens).post("/auth/logout")

    assert_refused(client.as_(tokens).get("/auth/me"), "token_revoked")


def test_every_change_of_keys_forgets_all_tokens(client, tokens, memory, operate):
    client.as_(tokens).get("/auth/me")
    assert len(memory.verified) == 1

    operate("rotate")

    assert memory.verified == {}
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_reading_unchanged_keys_forgets_nothing(client, tokens, memory, operate):
    client.as_(tokens).get("/auth/me")

    operate("list")

    assert len(memory.verified) == 1


def test_a_key_that_is_withdrawn_while_its_token_is_verified_leaves_no_trace(
    app, client, tokens, memory, monkeypatch
):
    decode = jwt_verification.claims_of

    def decode_slowly(*arguments):
        claims = decode(*arguments)
        with writing():
            keys.revoke(read(tokens["access_token"])[0]["kid"])
        db.session.commit()
        sync.read()
        return claims

    monkeypatch.setattr(jwt_verification, "claims_of", decode_slowly)
    client.as_(tokens).get("/gateway/verify")
    monkeypatch.undo()

    assert_refused(client.as_(tokens).get("/gateway/verify"), "token_invalid")


@pytest.mark.requirement("JW-01")
def test_a_remembered_token_vouches_for_itself_only(client, tokens, memory):
    token = tokens["access_token"]
    assert client.as_(token).get("/auth/me").status_code == 200
    head, _, signature = token.rpartition(".")

    for other in (f"{head}.", f"{head}.{signature[::-1]}", f"{head}.AA", f"{token}A"):
        assert_refused(client.as_(other).get("/auth/me"), "token_invalid")


def test_refused_tokens_are_not_remembered(client, tokens, memory, forger):
    expired = forger.like(tokens["access_token"], claims={"exp": 1})

    for bad in ("x", "a.b.c", tokens["refresh_token"], expired):
        assert client.as_(bad).get("/auth/me").status_code == 401

    assert memory.verified == {}


def test_a_refresh_token_is_not_remembered_as_anything(client, tokens, memory):
    assert client.refresh(tokens).status_code == 200

    assert memory.verified == {}
    assert_refused(client.as_(tokens["refresh_token"]).get("/auth/me"), "token_invalid")
