"""Signing keys: created once, strong, stored encrypted; their public parts are published."""

import base64
import hashlib
import json
from functools import partial

import jwt
import pytest
from sqlalchemy import delete

from gatehouse.core import crypto
from gatehouse.core.crypto import DecryptionFailed
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys
from gatehouse.web.request_context import NO_REQUEST
from models import SigningKey
from tests.client import Client
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.tokens.forgery import decode_segment, decode_token
from tests.tokens.signing_keys import fetch_published_keys, kids_by_stage

REQUIRED = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
ALGORITHMS = [
    pytest.param(kind, marks=pytest.mark.settings(GATEHOUSE_SIGNING_ALGORITHM=kind))
    for kind in ("ES256", "EdDSA", "RS256")
]


def thumbprint(jwk):
    """Return the JWK thumbprint, computed as in RFC 7638 section 3."""
    members = {name: jwk[name] for name in sorted(REQUIRED[jwk["kty"]])}
    canonical = json.dumps(members, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


# Creation and publication


@pytest.mark.stores
def test_keys_of_a_new_service_are_one_active_and_one_next(app):
    own, of_id_tokens = kids_by_stage(app), kids_by_stage(app, "RS256")

    for stages in (own, of_id_tokens):
        assert {stage: len(kids) for stage, kids in stages.items()} == {"active": 1, "next": 1}
    activated = [event.details["kid"] for event in audited(app, "key.activated")]
    assert activated == own["active"] + of_id_tokens["active"]


@pytest.mark.stores
def test_keys_are_created_once_by_replicas_that_start_in_parallel(app):
    with app.app_context(), write_transaction():
        db.session.execute(delete(SigningKey))
        db.session.commit()

    def start():
        with app.app_context():
            with write_transaction():
                keys.ensure_keys()
            db.session.commit()

    run_in_parallel(*[start] * 8)

    assert len(rows(app, SigningKey)) == 4


@pytest.mark.stores
@pytest.mark.parametrize("change", ["start", "rotation", "revocation"])
def test_keys_are_generated_while_no_transaction_is_open(app, change, monkeypatch):
    """An RSA key takes seconds: longer than a transaction may be idle, or a writer may wait."""
    [active] = kids_by_stage(app)["active"]
    generate, in_transaction = keys._generate, []

    def observe(algorithm):
        in_transaction.append(db.session().in_transaction())
        return generate(algorithm)

    monkeypatch.setattr(keys, "_generate", observe)
    with app.app_context():
        if change == "start":
            db.session.execute(delete(SigningKey))
            db.session.commit()
        {
            "start": keys.ensure_keys,
            "rotation": partial(keys.rotate_keys, NO_REQUEST),
            "revocation": partial(keys.revoke_key, active, NO_REQUEST),
        }[change]()
        db.session.commit()

    assert set(in_transaction) == {False}


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_keys_are_loaded_while_no_transaction_is_open(app, monkeypatch):
    load, checked_out = keys._load_key, []

    def observe(*arguments):
        checked_out.append(db.engine.pool.checkedout())
        return load(*arguments)

    monkeypatch.setattr(keys, "_load_key", observe)
    with app.app_context():
        keys.read_key_set(None)

    assert set(checked_out) == {0}


@pytest.mark.requirement("JW-09")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jwks_publishes_public_keys_under_their_thumbprints(client, algorithm):
    for kid, jwk in fetch_published_keys(client).items():
        assert kid == thumbprint(jwk)
        assert jwk.keys() == {*REQUIRED[jwk["kty"]], "kid", "use", "alg"}
        assert not jwk.keys() & PRIVATE
        assert jwk["use"] == "sig"
        assert jwk["alg"] in (algorithm, "RS256")


@pytest.mark.requirement("JW-09")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_have_at_least_128_bits_of_security(client, algorithm):
    for jwk in fetch_published_keys(client).values():
        if jwk["alg"] == "RS256":
            assert int.from_bytes(decode_segment(jwk["n"])).bit_length() >= 3072
            assert decode_segment(jwk["e"]) == b"\x01\x00\x01"
        else:
            assert jwk["crv"] == {"ES256": "P-256", "EdDSA": "Ed25519"}[algorithm]
            assert len(decode_segment(jwk["x"])) == 32


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jwks_verifies_tokens_with_another_library(client, tokens, algorithm):
    token = tokens["access_token"]
    jwk = fetch_published_keys(client)[decode_token(token)[0]["kid"]]

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


def test_jwks_may_be_cached_for_five_minutes(client):
    response = client.get("/.well-known/jwks.json")

    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.stores
def test_keys_are_stored_encrypted(app):
    first, second, *others = rows(app, SigningKey)

    for row in (first, second, *others):
        assert b"PRIVATE" not in row.private
        assert crypto.key_id_of(row.private) == "test"
    with app.app_context():
        pem = crypto.decrypt(first.private, f"signing_keys.private:{first.id}")
        assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        with pytest.raises(DecryptionFailed):  # bound to its row
            crypto.decrypt(first.private, f"signing_keys.private:{second.id}")


# Another algorithm


@pytest.mark.stores
@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_algorithm_change_at_start_keeps_old_tokens_valid(
    app, tokens, start_application, algorithm
):
    old = kids_by_stage(app)

    later = start_application(GATEHOUSE_SIGNING_ALGORITHM=algorithm)
    client = Client(later.test_client)
    refreshed = client.refresh(tokens)

    header = decode_token(refreshed.json["access_token"])[0]
    assert header["alg"] == algorithm
    assert [header["kid"]] == kids_by_stage(later)["active"]
    assert kids_by_stage(later)["retired"] == old["active"]
    assert {fetch_published_keys(client)[kid]["alg"] for kid in kids_by_stage(later)["next"]} == {
        algorithm
    }
    assert client.as_(tokens).get("/auth/me").status_code == 200
    assert client.as_(refreshed.json).get("/auth/me").status_code == 200


def test_keys_are_unchanged_by_another_start(app, start_application):
    before = kids_by_stage(app)

    assert kids_by_stage(start_application()) == before
