"""Hooks that add claims to access tokens: never one of ours, and at most every ten minutes."""

from __future__ import annotations

import pytest
from werkzeug import Response

from gatehouse.database.session import db
from gatehouse.hooks.answers import MAX_CLAIMS_SIZE
from gatehouse.net import circuit_breaker
from gatehouse.tokens.custom_claims import RESERVED
from models import User
from tests.client import PASSWORD
from tests.rows import audited, rows
from tests.sessions.token_responses import token_claims
from tests.tokens.forgery import case

pytestmark = pytest.mark.usefixtures("patience")
ADA = "ada@example.com"
CLAIMS = {"tier": "gold", "seats": 3, "trial": False, "areas": ["north", "south"], "ratio": 0.5}


@pytest.fixture
def ada(make_user, receiver):
    receiver.answer = {"claims": CLAIMS}
    return make_user(email=ADA)


def claims_of(tokens):
    return token_claims(tokens, "access_token")


def log_in(client):
    return client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


def failures(app):
    return [(one.details["reason"], one.details["decision"]) for one in audited(app, "hook.failed")]


def test_claims_are_in_every_access_token_of_the_user(
    app, client, sign_in_as, make_user, receiver, create_hook
):
    receiver.answer = {"claims": CLAIMS}
    admin = sign_in_as("admin", email="root@example.com")
    ada = make_user(email=ADA, factors=["totp"])
    create_hook("token_claims")

    challenge = log_in(client).json
    signed_in = client.complete_mfa(ada, challenge)
    refreshed = client.renew(signed_in)
    again = client.as_(refreshed).post("/auth/reauthenticate", {"password": PASSWORD}).json
    [row] = rows(app, User, email_canonical=ADA)
    acted = admin.post(f"/admin/users/{row.id}/impersonate", {"reason": "asked"}).json

    for tokens in (signed_in, refreshed, again, acted):
        found = claims_of(tokens)
        assert {name: found.get(name) for name in CLAIMS} == CLAIMS
    assert len(receiver.received) == 1
    assert receiver.received[0]["data"]["user"] == {
        "id": str(row.id),
        "email": ADA,
        "username": None,
    }
    assert client.as_(again).get("/auth/me").status_code == 200


def test_claims_are_asked_for_again_after_ten_minutes(client, ada, receiver, create_hook, wait):
    create_hook("token_claims")
    tokens = client.log_in(ada)
    receiver.answer = {"claims": {"tier": "silver"}}

    wait(minutes=9)
    cached = client.renew(tokens)
    wait(minutes=2)
    fresh = client.renew(cached)

    assert [claims_of(one)["tier"] for one in (tokens, cached, fresh)] == ["gold", "gold", "silver"]
    assert "seats" not in claims_of(fresh)
    assert len(receiver.received) == 2


def test_claims_are_asked_for_again_after_a_change_of_the_hook(
    client, ada, sign_in_as, receiver, create_hook
):
    create_hook("token_claims")
    tokens = client.log_in(ada)
    admin = sign_in_as("admin", email="root@example.com")
    [hook] = admin.get("/admin/hooks").json["items"]
    receiver.answer = {"claims": {"tier": "silver"}}

    admin.patch(f"/admin/hooks/{hook['id']}", {"timeout_ms": 200})

    assert claims_of(client.renew(tokens))["tier"] == "silver"


@pytest.mark.requirement("RG-07")
def test_claims_of_ours_are_never_replaced(app, client, ada, receiver, create_hook, monkeypatch):
    monkeypatch.setattr(circuit_breaker, "MAX_FAILURES", 1000)
    before = claims_of(client.log_in(ada))
    create_hook("token_claims", "allow")

    names = {*RESERVED, "iss", "sub", "aud", "exp", "iat", "jti", "roles", "scope", "acr", "amr"}
    names |= {"act", "sid", "client_id", "auth_time", "versions", "status", "type", "cnf", "nbf"}
    for name in sorted(names):
        receiver.answer = {"claims": {"tier": "gold", name: before.get(name, "admin")}}
        with case(name=name):
            found = claims_of(log_in(client).json)
            assert found.keys() == before.keys()
            for kept in ("iss", "sub", "aud", "roles", "scope", "acr", "client_id", "type"):
                assert found[kept] == before[kept]
            assert failures(app)[-1] == ("invalid_claims", "allow")


def test_claims_that_are_not_flat_or_too_large_have_failed(
    app, client, ada, receiver, create_hook, monkeypatch
):
    monkeypatch.setattr(circuit_breaker, "MAX_FAILURES", 1000)
    create_hook("token_claims", "allow")
    large = "x" * MAX_CLAIMS_SIZE
    wrong = {
        "nested": ({"claims": {"tier": {"name": "gold"}}}, "invalid_claims"),
        "nested list": ({"claims": {"tier": [["gold"]]}}, "invalid_claims"),
        "null": ({"claims": {"tier": None}}, "invalid_claims"),
        "null in a list": ({"claims": {"tier": [None]}}, "invalid_claims"),
        "NUL": ({"claims": {"tier": "a\u0000b"}}, "invalid_claims"),
        "name": ({"claims": {"a b": 1}}, "invalid_claims"),
        "large": ({"claims": {"tier": large}}, "claims_too_large"),
        "many": ({"claims": {f"claim{n}": n for n in range(100)}}, "claims_too_large"),
        "list": ({"claims": ["tier"]}, "invalid_answer"),
        "decision": ({"decision": "allow"}, "invalid_answer"),
        "more": ({"claims": {}, "decision": "allow"}, "invalid_answer"),
    }

    for name, (answer, reason) in wrong.items():
        receiver.answer = answer
        with case(name=name):
            assert "tier" not in claims_of(log_in(client).json)
            assert failures(app)[-1] == (reason, "allow")


def test_claims_of_several_hooks_are_together_and_the_first_one_wins(
    app, client, ada, receiver, create_hook
):
    for name in ("a", "b"):
        create_hook("token_claims", "allow", name=name, url=f"{receiver.url}?{name}")
    answers = iter([{"tier": "gold", "a": 1}, {"tier": "silver", "b": "x" * 200}])
    receiver.answer = lambda: Response(app.json.dumps({"claims": next(answers)}))

    found = claims_of(log_in(client).json)

    assert (found["tier"], found["a"], found["b"]) == ("gold", 1, "x" * 200)


def test_token_is_issued_without_claims_or_not_at_all_while_the_hook_is_down(
    app, client, ada, receiver, create_hook, wait
):
    create_hook("token_claims", "deny")
    tokens = client.log_in(ada)
    receiver.answer = Response(status=500)

    wait(minutes=11)
    denied = client.refresh(tokens)
    sign_in = log_in(client)

    assert (denied.status_code, denied.json["code"]) == (503, "service_unavailable")
    assert (sign_in.status_code, sign_in.json["code"]) == (503, "service_unavailable")
    assert failures(app) == [("status_500", "deny")] * 2
    receiver.answer = {"claims": {"tier": "silver"}}
    assert claims_of(client.renew(tokens))["tier"] == "silver"  # the token was not used up


@pytest.mark.stores
def test_claims_are_asked_for_while_no_transaction_is_open(
    app, client, ada, receiver, create_hook, wait
):
    create_hook("token_claims")
    in_use = []

    def look():
        with app.app_context():
            in_use.append(sum(engine.pool.checkedout() for engine in db.engines.values()))
        return Response('{"claims": {}}')

    receiver.answer = look
    tokens = client.log_in(ada)
    wait(minutes=11)
    client.renew(tokens)

    assert in_use == [0, 0]
