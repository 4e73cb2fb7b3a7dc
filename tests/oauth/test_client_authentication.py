"""Clients authenticate by the one method that they are registered for."""

import base64
import hmac
import json
import time
from functools import partial

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from gatehouse.core import crypto
from gatehouse.core.errors import ApiError
from gatehouse.database.session import db
from gatehouse.oauth import client_assertions, client_keys
from gatehouse.oauth.client_authentication import (
    ClientCredentials,
    authenticate_client,
)
from gatehouse.service_accounts import key_usage
from gatehouse.tokens.jwt_verification import SIGNATURES
from models import OAuthClientSecret, UsedClientAssertion
from tests.oauth.relying_party import ASSERTION_KEY, ASSERTION_TYPE, secret_of
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.statements import record_statements

ISSUER = "http://localhost:8000"
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


def basic(client_id, secret):
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"authorization": f"Basic {encoded}"}


def assertion(client_id="shop", key=ASSERTION_KEY, alg="ES256", **claims):
    now = int(time.time())
    defaults = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": crypto.random_token(),
    }
    kept = {name: value for name, value in (defaults | claims).items() if value is not None}
    return jwt.encode({"alg": alg}, kept, key, algorithms=[alg])


def by_assertion(encoded, **more):
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": encoded, **more}


def credentials_of(method, client_id="shop"):
    secret = secret_of(client_id)
    return {
        "client_secret_basic": lambda: basic(client_id, secret),
        "client_secret_post": lambda: {"client_id": client_id, "client_secret": secret},
        "private_key_jwt": lambda: by_assertion(assertion(client_id)),
        "none": lambda: {"client_id": client_id},
    }[method]()


@pytest.fixture
def authenticate(app):
    """Authenticate a client in a request; return its id, or the code of the error."""

    def run(**credentials):
        with app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}):
            try:
                return authenticate_client(ClientCredentials(**credentials)).id
            except ApiError as error:
                return error.code

    return run


@pytest.mark.requirement("OA-11")
def test_client_authenticates_by_its_registered_method_only(authenticate, make_client):
    for method in METHODS:
        make_client(id=method, authentication_method=method)

    found = {
        (registered, used): authenticate(**credentials_of(used, registered))
        for registered in METHODS
        for used in METHODS
    }

    assert found == {
        (registered, used): registered if registered == used else "invalid_client"
        for registered in METHODS
        for used in METHODS
    }


@pytest.mark.requirement("OA-11")
def test_client_uses_one_method_in_a_request(authenticate, make_client):
    make_client()
    right, post = basic("shop", secret_of("shop")), {"client_secret": secret_of("shop")}

    assert authenticate(**right, client_id="shop") == "shop"
    assert authenticate(**right, client_id="shop", client_secret="") == "shop"
    assert authenticate(**right, client_id="shop", **post) == "invalid_request"
    assert authenticate(**right, **by_assertion(assertion())) == "invalid_request"
    assert authenticate(client_id="shop", **post, **by_assertion("x")) == "invalid_request"
    assert authenticate(**right, client_id="other") == "invalid_request"
    assert authenticate(**by_assertion(assertion(), client_id="other")) == "invalid_request"
    assert authenticate(client_assertion=assertion()) == "invalid_request"
    assert authenticate(**post) == authenticate() == "invalid_request"


@pytest.mark.requirement("OA-11")
def test_client_with_wrong_credentials_is_rejected(app, authenticate, make_client):
    make_client()
    make_client(id="off", enabled=False)
    wrong = (
        basic("shop", "wrong"),
        basic("shop", secret_of("off")),
        basic("shop", ""),
        basic("off", secret_of("off")),
        basic("unknown", "x"),
        basic("Shop", secret_of("shop")),
        basic("shop\0", secret_of("shop")),
        basic("%FF", "x"),
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"shop").decode()},
        {"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"authorization": f"Bearer {secret_of('shop')}"},
        by_assertion("x"),
        by_assertion("a.b.c"),
        by_assertion(assertion() * 20),
    )

    assert {authenticate(**one) for one in wrong} == {"invalid_client"}
    assert len(audited(app, "client.rejected")) == 0  # the error handler writes them


@pytest.mark.requirement("OA-11")
def test_client_that_is_unknown_is_looked_up_like_a_known_one(app, authenticate, make_client):
    make_client()
    lookups = []

    for client_id in ("shop", "unknown"):
        with record_statements(app) as statements:
            authenticate(**basic(client_id, "wrong"))
        lookups.append([statement for statement, _ in statements])

    assert lookups[0] == lookups[1] != []


@pytest.mark.requirement("OA-11")
@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_client_attempts_are_limited_for_each_network(authenticate, make_client):
    make_client()

    found = [authenticate(**basic("shop", f"wrong {number}")) for number in range(22)]

    assert found == ["invalid_client"] * 20 + ["rate_limited"] * 2
    assert authenticate(**basic("shop", secret_of("shop"))) == "shop"


def test_client_secret_is_form_urldecoded(app, authenticate, make_client):
    make_client()
    secret = "a b+c%d:\u00fc"
    with app.app_context():
        row = OAuthClientSecret(id=crypto.new_id(), client_id="shop", digest=crypto.digest(secret))
        db.session.add(row)
        db.session.commit()

    assert authenticate(**basic("sh%6Fp", "a+b%2Bc%25d%3A%C3%BC")) == "shop"
    assert authenticate(**basic("shop", "a+b%2Bc%25d:%C3%BC")) == "shop"


def test_client_secret_that_has_ended_is_rejected(app, authenticate, make_client):
    make_client()
    with app.app_context():
        row = db.session.query(OAuthClientSecret).one()
        row.expires_at = row.created_at
        db.session.commit()
        expired = authenticate(**basic("shop", secret_of("shop")))
        row = db.session.query(OAuthClientSecret).one()
        row.expires_at, row.revoked_at = None, row.created_at
        db.session.commit()

    assert expired == authenticate(**basic("shop", secret_of("shop"))) == "invalid_client"


def test_client_secret_has_its_last_use_written(app, authenticate, make_client):
    make_client()
    authenticate(**basic("shop", secret_of("shop")))

    with app.app_context():
        key_usage.write_usage()

    assert rows(app, OAuthClientSecret)[0].last_used_at is not None


@pytest.mark.requirement("OA-22")
def test_assertion_is_accepted_once(app, authenticate, make_client):
    make_client(authentication_method="private_key_jwt")
    make_client(id="other", authentication_method="private_key_jwt")
    encoded, token_id = assertion(), crypto.random_token()

    found = [authenticate(**by_assertion(encoded)) for _ in range(2)]
    of_each = [
        authenticate(**by_assertion(assertion(one, jti=token_id)))
        for one in ("shop", "shop", "other")
    ]

    assert found == ["shop", "invalid_client"]
    assert of_each == ["shop", "invalid_client", "other"]
    assert len(rows(app, UsedClientAssertion)) == 3


@pytest.mark.stores
@pytest.mark.requirement("OA-22")
def test_assertion_is_accepted_once_in_twenty_parallel_requests(authenticate, make_client):
    make_client(authentication_method="private_key_jwt")
    send = partial(authenticate, **by_assertion(assertion()))

    found = run_in_parallel(*[send] * 20)

    assert sorted(found) == ["invalid_client"] * 19 + ["shop"]


@pytest.mark.requirement("OA-22")
def test_assertion_is_not_used_up_when_a_view_runs_again(app, make_client):
    """A request whose transaction conflicts with others runs once more, as decision 40 says."""
    make_client(authentication_method="private_key_jwt")
    credentials = ClientCredentials(**by_assertion(assertion()))

    with app.test_request_context(environ_overrides={"gatehouse.request_id": "r"}):
        found = [authenticate_client(credentials).id for _ in range(2)]

    assert found == ["shop", "shop"]


@pytest.mark.requirement("OA-22")
def test_assertion_that_was_used_is_kept_until_it_has_expired(app, authenticate, make_client, wait):
    make_client(authentication_method="private_key_jwt")
    authenticate(**by_assertion(assertion()))
    for left, later in ((1, {"minutes": 10}), (0, {"hours": 2})):
        wait(**later)
        with app.app_context():
            client_assertions.purge_used_assertions()
            db.session.commit()
        assert len(rows(app, UsedClientAssertion)) == left


@pytest.mark.requirement("OA-22")
def test_assertion_that_is_not_ours_or_not_now_is_rejected(authenticate, make_client):
    make_client(authentication_method="private_key_jwt")
    make_client(id="other", authentication_method="private_key_jwt")
    now = int(time.time())
    wrong = {
        "foreign key": assertion(key=ECKey.generate_key("P-256", auto_kid=True)),
        "algorithm of another key": assertion(key=RSAKey.generate_key(2048), alg="RS256"),
        "symmetric": _signed_with_the_public_key(),
        "other issuer": assertion(iss="other"),
        "no issuer": assertion(iss=None),
        "no audience": assertion(aud=None),
        "another tenant": assertion(aud="https://other.example.com/oauth2/token"),
        "another endpoint": assertion(aud=f"{ISSUER}/oauth2/revoke"),
        "with a slash": assertion(aud=f"{ISSUER}/"),
        "two audiences": assertion(aud=[ISSUER, "https://other.example.com"]),
        "no audiences": assertion(aud=[]),
        "no expiry": assertion(exp=None),
        "expired": assertion(exp=now - 10),
        "lives too long": assertion(exp=now + 3600),
        "expiry as text": assertion(exp=str(now + 60)),
        "expiry of no number": assertion(exp=float("nan")),
        "issued later": assertion(iat=now + 60),
        "not before later": assertion(nbf=now + 60),
        "no jti": assertion(jti=None),
        "empty jti": assertion(jti=""),
        "number as jti": assertion(jti=7),
        "long jti": assertion(jti="x" * 256),
    }

    found = {name: authenticate(**by_assertion(encoded)) for name, encoded in wrong.items()}

    assert found == dict.fromkeys(wrong, "invalid_client")
    for audience in (ISSUER, [ISSUER], f"{ISSUER}/oauth2/token"):
        assert authenticate(**by_assertion(assertion(aud=audience))) == "shop"


def _signed_with_the_public_key():
    """Return an assertion whose HMAC has the public key as its secret (CVE-2015-9235)."""
    _, body, _ = assertion().split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    secret = ASSERTION_KEY.as_pem(private=False)
    signature = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.requirement("OA-22")
def test_assertion_is_verified_by_the_algorithm_of_the_registered_key(authenticate, make_client):
    key = RSAKey.generate_key(2048)
    jwks = {"keys": [key.as_dict(private=False) | {"alg": "PS256"}]}
    make_client(authentication_method="private_key_jwt", jwks=jwks)

    assert authenticate(**by_assertion(assertion(key=key, alg="PS256"))) == "shop"
    assert authenticate(**by_assertion(assertion(key=key, alg="RS256"))) == "invalid_client"


@pytest.mark.requirement("OA-22")
def test_assertion_is_verified_with_each_kind_of_key(authenticate, make_client):
    keys = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "PS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    public = {alg: SIGNATURES[alg].to_jwk(key.public_key()) for alg, key in keys.items()}
    jwks = {"keys": [json.loads(jwk) | {"kid": alg} for alg, jwk in public.items()]}
    parsed = client_keys.parse_keys(jwks)
    make_client(authentication_method="private_key_jwt", jwks=parsed)

    def sign(alg, kid):
        now = int(time.time())
        claims = {
            "iss": "shop",
            "sub": "shop",
            "aud": ISSUER,
            "exp": now + 60,
            "jti": f"{alg} {kid}",
        }
        headers = {"kid": kid} if kid else {}
        return pyjwt.encode(claims, keys[alg], alg, headers=headers)

    for alg in keys:
        assert authenticate(**by_assertion(sign(alg, alg))) == "shop"
        assert authenticate(**by_assertion(sign(alg, None))) == "shop"
        other = "ES256" if alg != "ES256" else "EdDSA"
        assert authenticate(**by_assertion(sign(alg, other))) == "invalid_client"
        assert authenticate(**by_assertion(sign(alg, "unknown"))) == "invalid_client"
