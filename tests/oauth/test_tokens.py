"""The token endpoint: codes, refresh tokens and client credentials, and what their tokens open."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import OAuthClient, OAuthGrant
from tests.oauth.grants import create_code
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.tokens.forgery import decode_token

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
CALLBACK = "https://shop.example.com/callback"
API = "https://api.example.com"
USERINFO = "http://localhost:8000/oauth2/userinfo"


@pytest.fixture
def authorize(app, client, make_user) -> Callable[..., Any]:
    """Authorize a relying party without pages: authorize(party, scopes=...) returns a code."""

    def authorize(party, *, scopes=("openid", "profile", "email"), resources=(), **request):
        party.sent.nonce = request.get("nonce", "n-1")
        user = make_user(name="Ada", **request.pop("user", {}))
        tokens = client.log_in(user)
        offline = request.pop("offline", False)
        bound = {"redirect_uri": CALLBACK, "code_challenge": CHALLENGE, "nonce": "n-1", **request}
        approval = {"scopes": scopes, "resources": resources, "request": bound, "offline": offline}
        code = create_code(app, party.client.id, tokens["access_token"], **approval)
        return SimpleNamespace(code=code, tokens=tokens, id=tokens["user"]["id"], user=user)

    return authorize


def redeem(party, code, **form):
    return party.exchange(code, **{"code_verifier": VERIFIER, "redirect_uri": CALLBACK, **form})


@pytest.mark.stores
@pytest.mark.requirement("OP-01")
def test_code_gives_tokens_for_the_userinfo_endpoint(relying_party, authorize):
    given = authorize(relying_party)

    tokens = relying_party.read_tokens(redeem(relying_party, given.code))

    header, claims = decode_token(tokens["access_token"])
    assert header["typ"] == "at+jwt"
    assert (claims["aud"], claims["client_id"], claims["sub"]) == (USERINFO, "shop", given.id)
    assert claims["scope"] == tokens["scope"] == "openid profile email"
    assert {"grant_id", "sid", "auth_time", "acr", "amr", "status", "jti"} <= claims.keys()
    assert "roles" not in claims
    id_claims = tokens["claims"]
    assert decode_token(tokens["id_token"])[0]["alg"] == "RS256"
    assert (id_claims["aud"], id_claims["sub"], id_claims["nonce"]) == ("shop", given.id, "n-1")
    assert id_claims["sid"] == claims["sid"]
    described = relying_party.userinfo(tokens["access_token"])
    assert described.json["sub"] == given.id
    assert (described.json["name"], described.json["email_verified"]) == ("Ada", True)


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_rotates_and_reuse_after_the_interval_ends_the_grant(
    app, relying_party, authorize, wait
):
    first = relying_party.read_tokens(redeem(relying_party, authorize(relying_party).code))
    second = relying_party.read_tokens(relying_party.refresh(first["refresh_token"]))
    again = relying_party.read_tokens(relying_party.refresh(first["refresh_token"]))

    wait(seconds=30)
    reused = relying_party.refresh(first["refresh_token"])

    jtis = [decode_token(one["refresh_token"])[1]["jti"] for one in (first, second, again)]
    assert jtis[1] == jtis[2] != jtis[0]
    assert "nonce" not in second["claims"]
    assert (reused.status_code, reused.json["error"]) == (400, "invalid_grant")
    assert relying_party.refresh(second["refresh_token"]).json["error"] == "invalid_grant"
    assert relying_party.userinfo(second["access_token"]).status_code == 401
    assert [event.name for event in audited(app, "grant.token_reused")] == ["grant.token_reused"]
    assert [grant.end_reason for grant in rows(app, OAuthGrant)] == ["refresh_token_reused"]


@pytest.mark.stores
@pytest.mark.requirement("OA-03")
def test_code_is_redeemed_once_and_a_replay_ends_the_grant(app, relying_party, authorize):
    code = authorize(relying_party).code
    tokens = relying_party.read_tokens(redeem(relying_party, code))

    replayed = redeem(relying_party, code)

    assert (replayed.status_code, replayed.json["error"]) == (400, "invalid_grant")
    assert relying_party.userinfo(tokens["access_token"]).status_code == 401
    assert relying_party.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert [grant.end_reason for grant in rows(app, OAuthGrant)] == ["code_reused"]


@pytest.mark.stores
@pytest.mark.requirement("OA-03")
@pytest.mark.requirement("OA-08")
def test_twenty_parallel_redemptions_and_refreshes_have_one_success(
    app, relying_party, make_relying_party, authorize
):
    code = authorize(relying_party).code
    other = authorize(relying_party).code
    token = redeem(relying_party, other).json["refresh_token"]

    redeemed = run_in_parallel(*[lambda: redeem(relying_party, code)] * 20)
    refreshed = run_in_parallel(*[lambda: relying_party.refresh(token)] * 20)

    assert sorted(one.status_code for one in redeemed) == [200] + [400] * 19
    assert {one.status_code for one in refreshed} == {200}  # all within the reuse interval
    assert len({decode_token(one.json["refresh_token"])[1]["jti"] for one in refreshed}) == 1


@pytest.mark.requirement("OA-04")
@pytest.mark.requirement("OA-05")
@pytest.mark.requirement("OA-06")
def test_code_is_bound_to_its_request_and_a_wrong_one_does_not_use_it_up(
    relying_party, make_relying_party, authorize, wait
):
    thief = make_relying_party(id="thief")
    code = authorize(relying_party).code
    wrong = (
        {"code_verifier": "w" * 43},
        {"code_verifier": None},
        {"code_verifier": "short"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": None},
        {"code": "unknown"},
    )

    refused = [redeem(relying_party, **{"code": code, **change}) for change in wrong]
    refused.append(redeem(thief, code))

    assert {one.status_code for one in refused} == {400}
    assert {one.json["error"] for one in refused} == {"invalid_grant", "invalid_request"}
    assert redeem(relying_party, code).status_code == 200
    late = authorize(relying_party).code
    wait(seconds=61)
    assert redeem(relying_party, late).json["error"] == "invalid_grant"


@pytest.mark.requirement("OA-19")
@pytest.mark.requirement("OA-23")
def test_scope_narrows_and_never_widens(make_relying_party, make_resource, authorize):
    make_resource()
    party = make_relying_party(
        scopes=["openid", "email", "offline_access", "orders:read", "orders:write"],
        resources=[API],
    )
    given = authorize(party, scopes=("openid", "email", "orders:read"), resources=(API,))
    tokens = redeem(party, given.code).json
    widened = party.refresh(tokens["refresh_token"], scope="orders:read orders:write")
    elsewhere = party.refresh(tokens["refresh_token"], resource="https://other.example.com")
    narrowed = party.refresh(tokens["refresh_token"], scope="openid", resource=USERINFO)

    _, claims = decode_token(tokens["access_token"])
    assert (claims["aud"], claims["scope"]) == (API, "openid email orders:read")
    assert (widened.json["error"], elsewhere.json["error"]) == ("invalid_scope", "invalid_target")
    assert decode_token(narrowed.json["access_token"])[1]["aud"] == USERINFO
    assert narrowed.json["scope"] == "openid"
    assert party.userinfo(narrowed.json["access_token"]).json.keys() == {"sub"}
    assert party.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.requirement("OA-09")
def test_refresh_token_ends_with_the_grant_however_often_it_is_used(
    make_relying_party, authorize, wait
):
    party = make_relying_party(grant_lifetime=20 * 86400)
    token = redeem(party, authorize(party, offline=True).code).json["refresh_token"]

    answers = []
    for _ in range(3):
        wait(days=9)
        answers.append(party.refresh(token))
        token = answers[-1].json.get("refresh_token", token)

    assert [one.status_code for one in answers] == [200, 200, 400]


@pytest.mark.requirement("SE-06")
def test_grant_ends_with_its_session_and_its_user(app, client, relying_party, authorize):
    given = authorize(relying_party)
    tokens = redeem(relying_party, given.code).json
    offline = authorize(relying_party, offline=True)
    lasting = redeem(relying_party, offline.code).json

    for one in (given, offline):
        assert client.as_(one.tokens).post("/auth/logout").status_code == 204

    assert relying_party.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert relying_party.userinfo(tokens["access_token"]).status_code == 401
    assert relying_party.refresh(lasting["refresh_token"]).status_code == 200


@pytest.mark.requirement("OA-10")
@pytest.mark.requirement("OA-12")
def test_introspection_and_revocation_are_for_the_client_of_the_token(
    make_relying_party, relying_party, authorize
):
    other = make_relying_party(id="other")
    tokens = redeem(relying_party, authorize(relying_party).code).json

    seen = relying_party.introspect(tokens["access_token"]).json
    foreign = [other.introspect(one) for one in (tokens["access_token"], "junk")]
    kept = other.revoke(tokens["refresh_token"])

    assert seen["active"] is True
    assert (seen["client_id"], seen["aud"], seen["scope"]) == ("shop", USERINFO, tokens["scope"])
    assert len({one.data for one in foreign}) == 1
    assert foreign[0].json == {"active": False}
    assert kept.status_code == 400
    assert relying_party.introspect(tokens["refresh_token"]).json["active"] is True
    assert relying_party.revoke(tokens["access_token"]).status_code == 200
    assert relying_party.introspect(tokens["access_token"]).json == {"active": False}
    assert relying_party.userinfo(tokens["access_token"]).status_code == 401
    assert relying_party.revoke(tokens["refresh_token"]).status_code == 200
    assert relying_party.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert relying_party.revoke("unknown").status_code == 200


@pytest.mark.requirement("OA-19")
def test_client_credentials_give_what_the_client_is_registered_for(
    make_relying_party, make_resource
):
    make_resource()
    service = make_relying_party(
        id="worker",
        kind="service",
        grant_types=["client_credentials"],
        redirect_uris=[],
        scopes=["orders:read"],
        resources=[API],
    )

    answer = service.token(grant_type="client_credentials")
    more = service.token(grant_type="client_credentials", scope="orders:write")
    code = service.token(grant_type="authorization_code", code="x")
    unknown = service.token(grant_type="password", username="a")

    _, claims = decode_token(answer.json["access_token"])
    assert (claims["sub"], claims["aud"], claims["scope"]) == ("worker", API, "orders:read")
    assert "refresh_token" not in answer.json
    assert (more.json["error"], code.json["error"]) == ("invalid_scope", "unauthorized_client")
    assert unknown.json["error"] == "unsupported_grant_type"


@pytest.mark.requirement("JW-06")
@pytest.mark.requirement("JW-07")
def test_tokens_of_clients_open_nothing_of_our_own_and_the_other_way_round(
    client, relying_party, authorize
):
    given = authorize(relying_party)
    tokens = redeem(relying_party, given.code).json
    ours, names = given.tokens, ("access_token", "refresh_token", "id_token")

    for name in names:
        for path in ("/auth/me", "/auth/sessions", "/admin/users", "/gateway/verify"):
            bearer = {"Authorization": f"Bearer {tokens[name]}"}
            assert client.get(path, headers=bearer).status_code == 401, (name, path)
        assert client.refresh({"refresh_token": tokens[name]}).status_code == 401
    for encoded in (ours["access_token"], ours["refresh_token"], tokens["refresh_token"]):
        assert relying_party.userinfo(encoded).status_code == 401
    for encoded in (*(ours[name] for name in names[:2]), tokens["access_token"]):
        assert relying_party.refresh(encoded).json["error"] == "invalid_grant"
    assert relying_party.introspect(ours["access_token"]).json == {"active": False}
    assert relying_party.introspect(tokens["id_token"]).json == {"active": False}


@pytest.mark.settings(GATEHOUSE_GATEWAY_AUDIENCES=API)
@pytest.mark.requirement("OA-23")
def test_gateway_accepts_tokens_for_the_audiences_of_its_setting(
    client, make_relying_party, make_resource, authorize
):
    make_resource()
    party = make_relying_party(scopes=["openid", "orders:read"], resources=[API])
    given = authorize(party, scopes=("openid", "orders:read"), resources=(API,))
    tokens = redeem(party, given.code).json
    other = party.refresh(tokens["refresh_token"], resource=USERINFO).json

    def verify(encoded):
        return client.get("/gateway/verify", headers={"Authorization": f"Bearer {encoded}"})

    accepted = [verify(tokens["access_token"]) for _ in range(2)]

    assert [one.status_code for one in accepted] == [200, 200]
    assert accepted[0].headers["X-Auth-Client"] == "shop"
    assert accepted[0].headers["X-Auth-User"] == given.id
    assert [verify(other["access_token"]).status_code for _ in range(2)] == [401, 401]
    assert verify(given.tokens["access_token"]).headers.get("X-Auth-Client") is None
    assert party.revoke(tokens["refresh_token"]).status_code == 200
    assert verify(tokens["access_token"]).status_code == 401


@pytest.mark.requirement("OP-03")
def test_userinfo_takes_the_token_in_header_or_body_only(client, relying_party, authorize):
    access = redeem(relying_party, authorize(relying_party).code).json["access_token"]

    form = relying_party.post_without_credentials("/oauth2/userinfo", access_token=access)
    query = client.get(f"/oauth2/userinfo?access_token={access}")
    missing = relying_party.get("/oauth2/userinfo")

    assert form.status_code == relying_party.userinfo(access, "POST").status_code == 200
    assert (query.status_code, missing.status_code) == (401, 401)
    assert missing.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "error" not in missing.headers["WWW-Authenticate"]


@pytest.mark.requirement("OA-13")
def test_metadata_is_the_same_on_both_paths_and_its_endpoints_exist(app, relying_party):
    paths = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
    first, second = (relying_party.get(path) for path in paths)

    assert first.json == second.json
    assert first.json["issuer"] == "http://localhost:8000"
    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert first.json["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint", "jwks_uri"):
        path = first.json[name].removeprefix("http://localhost:8000")
        assert relying_party.get(path).status_code in (200, 405), name


def test_sign_in_through_the_pages_gives_tokens(relying_party, make_user):
    user = make_user(name="Ada")

    tokens = relying_party.sign_in(user)

    assert relying_party.userinfo(tokens["access_token"]).json["name"] == "Ada"
    assert relying_party.read_tokens(relying_party.refresh(tokens["refresh_token"]))


def test_claims_can_be_requested_by_name(relying_party, make_user):
    wanted = '{"id_token": {"email": null}, "userinfo": {"name": {"essential": true}}}'

    tokens = relying_party.sign_in(make_user(name="Ada"), scope="openid", claims=wanted)

    assert tokens["claims"]["email"] == "person1@example.com"
    assert relying_party.userinfo(tokens["access_token"]).json.keys() == {"sub", "name"}


@pytest.mark.requirement("OA-12")
def test_token_of_a_disabled_client_is_inactive(app, make_relying_party, make_resource):
    make_resource()
    worker = {"grant_types": ["client_credentials"], "scopes": ["orders:read"], "resources": [API]}
    service = make_relying_party(id="worker", kind="service", redirect_uris=[], **worker)
    asker = make_relying_party(id="api", resources=[API])
    token = service.token(grant_type="client_credentials").json["access_token"]
    before = asker.introspect(token).json

    with app.app_context():
        db.session.execute(
            sa.update(OAuthClient).values(enabled=False).where(OAuthClient.id == "worker")
        )
        db.session.commit()

    assert (before["active"], before["sub"], before["scope"]) == (True, "worker", "orders:read")
    assert asker.introspect(token).json == {"active": False}
