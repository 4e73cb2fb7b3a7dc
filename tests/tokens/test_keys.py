"""Signing keys: made once, strong, published by half and sealed where they are kept."""

import base64
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from sqlalchemy import delete

from gatehouse.core import crypto
from gatehouse.core.crypto import SealBroken
from gatehouse.database.session import db, writing
from gatehouse.tokens import keys
from models import SigningKey
from tests.client import Client
from tests.rows import audited, rows
from tests.tokens.forgery import opened, read
from tests.tokens.signing_keys import by_stage, published

REQUIRED = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
ALGORITHMS = [
    pytest.param(kind, marks=pytest.mark.settings(GATEHOUSE_SIGNING_ALGORITHM=kind))
    for kind in ("ES256", "EdDSA", "RS256")
]


def thumbprint(jwk):
    """Return the JWK thumbprint by the letter of RFC 7638 section 3."""
    members = {name: jwk[name] for name in sorted(REQUIRED[jwk["kty"]])}
    canonical = json.dumps(members, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


# Made and published


@pytest.mark.stores
def test_a_service_begins_with_a_key_that_signs_and_the_next_one(app):
    stages = by_stage(app)

    assert {stage: len(kids) for stage, kids in stages.items()} == {"active": 1, "next": 1}
    assert [event.details["kid"] for event in audited(app, "key.activated")] == stages["active"]


@pytest.mark.stores
def test_replicas_that_start_at_once_make_one_pair_of_keys(app):
    with app.app_context(), writing():
        db.session.execute(delete(SigningKey))
        db.session.commit()
    together = threading.Barrier(8)

    def start():
        with app.app_context():
            together.wait(timeout=10)
            with writing():
                keys.ensure()
            db.session.commit()

    with ThreadPoolExecutor(8) as threads:
        for started in [threads.submit(start) for _ in range(8)]:
            started.result()

    assert len(rows(app, SigningKey)) == 2


@pytest.mark.requirement("JW-09")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_public_half_of_a_key_is_published_under_its_thumbprint(client, algorithm):
    for kid, jwk in published(client).items():
        assert kid == thumbprint(jwk)
        assert jwk.keys() == {*REQUIRED[jwk["kty"]], "kid", "use", "alg"}
        assert not jwk.keys() & PRIVATE
        assert (jwk["use"], jwk["alg"]) == ("sig", algorithm)


@pytest.mark.requirement("JW-09")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_are_strong(client, algorithm):
    for jwk in published(client).values():
        if algorithm == "RS256":
            assert int.from_bytes(opened(jwk["n"])).bit_length() >= 3072
            assert opened(jwk["e"]) == b"\x01\x00\x01"
        else:
            assert jwk["crv"] == {"ES256": "P-256", "EdDSA": "Ed25519"}[algorithm]
            assert len(opened(jwk["x"])) == 32


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_anybody_can_verify_a_token_with_the_published_keys(client, tokens, algorithm):
    token = tokens["access_token"]
    jwk = published(client)[read(token)[0]["kid"]]

    claims = jwt.decode(
        token,
        jwt.PyJWK(jwk),
        algorithms=[algorithm],
        issuer="http://localhost:8000",
        audience="http://localhost:8000",
    )

    assert claims["sub"] == tokens["user"]["id"]
    assert client.as_(tokens).get("/auth/me").status_code == 200
    assert client.refresh(tokens).status_code == 200


def test_the_published_keys_may_be_cached(client):
    answer = client.get("/.well-known/jwks.json")

    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.stores
def test_private_keys_are_sealed_where_they_are_kept(app):
    first, second = rows(app, SigningKey)

    for row in (first, second):
        assert b"PRIVATE" not in row.private
        assert crypto.sealed_with(row.private) == "test"
    with app.app_context():
        pem = crypto.unseal(first.private, f"signing_keys.private:{first.id}")
        assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        with pytest.raises(SealBroken):  # in another row it does not open
            crypto.unseal(first.private, f"signing_keys.private:{second.id}")


# Another algorithm


@pytest.mark.stores
@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_a_start_with_another_algorithm_signs_with_it_and_old_tokens_go_on(
    app, tokens, start_again, algorithm
):
    old = by_stage(app)

    later = start_again(GATEHOUSE_SIGNING_ALGORITHM=algorithm)
    client = Client(later.test_client)
    refreshed = client.refresh(tokens)

    header = read(refreshed.json["access_token"])[0]
    assert header["alg"] == algorithm
    assert [header["kid"]] == by_stage(later)["active"]
    assert by_stage(later)["retiring"] == old["active"]
    assert {published(client)[kid]["alg"] for kid in by_stage(later)["next"]} == {algorithm}
    assert client.as_(tokens).get("/auth/me").status_code == 200
    assert client.as_(refreshed.json).get("/auth/me").status_code == 200


def test_a_start_with_the_same_algorithm_changes_no_key(app, start_again):
    before = by_stage(app)

    assert by_stage(start_again()) == before
