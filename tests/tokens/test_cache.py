"""The cache of verified access tokens: its size, expiry and invalidation."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import jwt_verification, keys, sync, worker_state
from gatehouse.web.request_context import NO_REQUEST
from tests.tokens.forgery import assert_rejected, decode_token


def test_cache_verifies_a_token_once(client, tokens, token_state, monkeypatch):
    first = client.as_(tokens).get("/gateway/verify")
    monkeypatch.setattr(jwt_verification, "verify_jwt", None)  # verifying another token would fail

    second = client.as_(tokens).get("/gateway/verify")

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["X-Auth-User"] == first.headers["X-Auth-User"] == tokens["user"]["id"]


def test_cache_evicts_the_oldest_token_when_full(client, tokens, token_state, monkeypatch):
    monkeypatch.setattr(worker_state, "CACHE_SIZE", 3)
    responses = [client.refresh(tokens).json for _ in range(6)]

    for response in responses:
        assert client.as_(response).get("/gateway/verify").status_code == 200

    jtis = [decode_token(response["access_token"])[1]["jti"] for response in responses]
    assert [token.jti for token in token_state.verified.values()] == jtis[-3:]
    assert client.as_(responses[0]).get("/gateway/verify").status_code == 200


def test_cache_is_safe_with_many_threads(client, tokens, token_state, monkeypatch):
    monkeypatch.setattr(worker_state, "CACHE_SIZE", 2)
    responses = [client.refresh(tokens).json for _ in range(8)]

    def ask(number):
        return client.as_(responses[number % 8]).get("/gateway/verify").status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = set(threads.map(ask, range(400)))

    assert statuses == {200}
    assert len(token_state.verified) <= 2


def test_cached_token_still_expires(client, tokens, token_state, time_machine):
    assert client.as_(tokens).get("/auth/me").status_code == 200
    expiry = decode_token(tokens["access_token"])[1]["exp"]

    time_machine.move_to(expiry + 5)

    assert_rejected(client.as_(tokens).get("/auth/me"), "token_expired")
    assert token_state.verified == {}


def test_cached_token_is_rejected_after_its_session_ends(client, tokens, token_state):
    assert client.as_(tokens).get("/auth/me").status_code == 200

    client.as_(tokens).post("/auth/logout")

    assert_rejected(client.as_(tokens).get("/auth/me"), "token_revoked")


def test_cache_is_cleared_when_keys_change(client, tokens, token_state, run_keys_command):
    client.as_(tokens).get("/auth/me")
    assert len(token_state.verified) == 1

    run_keys_command("rotate")

    assert token_state.verified == {}
    assert client.as_(tokens).get("/auth/me").status_code == 200


def test_cache_is_kept_when_keys_are_unchanged(client, tokens, token_state, run_keys_command):
    client.as_(tokens).get("/auth/me")

    run_keys_command("list")

    assert len(token_state.verified) == 1


def test_cache_drops_a_token_whose_key_is_revoked_during_verification(
    app, client, tokens, token_state, monkeypatch
):
    decode = jwt_verification.verify_jwt

    def decode_slowly(*arguments):
        claims = decode(*arguments)
        with write_transaction():
            keys.revoke_key(decode_token(tokens["access_token"])[0]["kid"], NO_REQUEST)
        db.session.commit()
        sync.refresh()
        return claims

    monkeypatch.setattr(jwt_verification, "verify_jwt", decode_slowly)
    client.as_(tokens).get("/gateway/verify")
    monkeypatch.undo()

    assert_rejected(client.as_(tokens).get("/gateway/verify"), "token_invalid")


@pytest.mark.requirement("JW-01")
def test_cached_token_validates_no_similar_token(client, tokens, token_state):
    token = tokens["access_token"]
    assert client.as_(token).get("/auth/me").status_code == 200
    head, _, signature = token.rpartition(".")

    for other in (f"{head}.", f"{head}.{signature[::-1]}", f"{head}.AA", f"{token}A"):
        assert_rejected(client.as_(other).get("/auth/me"), "token_invalid")


def test_cache_holds_no_rejected_token(client, tokens, token_state, forger):
    expired = forger.sign_again(tokens["access_token"], claims={"exp": 1})

    for bad in ("x", "a.b.c", tokens["refresh_token"], expired):
        assert client.as_(bad).get("/auth/me").status_code == 401

    assert token_state.verified == {}


def test_cache_holds_no_refresh_token(client, tokens, token_state):
    assert client.refresh(tokens).status_code == 200

    assert token_state.verified == {}
    assert_rejected(client.as_(tokens["refresh_token"]).get("/auth/me"), "token_invalid")
