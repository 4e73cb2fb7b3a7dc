"""The example that verifies access tokens in another service, with real and broken issuers."""

import importlib.util
import json
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.client import User
from tests.loopback_server import http_response, loopback_server
from tests.tokens.forgery import case, encode_segment

FILE = Path(__file__).parents[2] / "docs/examples/status_list/verify.py"


@pytest.fixture(scope="module")
def example():
    """Import the example."""
    spec = importlib.util.spec_from_file_location("verify_example", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# A real server


@pytest.fixture
def advance_example_clock(time_machine):
    """Return a function that moves the clock of the example, but not of its server."""
    time_machine.move_to(time.time())
    return time_machine.shift


def test_token_is_accepted_until_its_session_has_ended(live, example, advance_example_clock):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))
    verifier = example.Verifier(live.url, live.url)
    claims = verifier.verify(tokens["access_token"])
    assert claims["sub"] == tokens["user"]["id"]

    live.client.as_(tokens).post("/auth/logout")
    time.sleep(1)
    assert verifier.verify(tokens["access_token"]) == claims  # the list is cached for its ttl
    advance_example_clock(31)

    with pytest.raises(example.TokenRejected, match="its session has ended"):
        verifier.verify(tokens["access_token"])


def test_status_list_is_used_during_an_outage_until_it_expires(
    live, example, advance_example_clock
):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))
    verifier = example.Verifier(live.url, live.url)
    verifier.verify(tokens["access_token"])
    live.kill()

    for _ in range(2):
        advance_example_clock(31)
        assert verifier.verify(tokens["access_token"])
    advance_example_clock(61)

    with pytest.raises(example.TokenRejected, match="refused"):
        verifier.verify(tokens["access_token"])


def test_token_of_another_audience_or_no_token_is_rejected(live, example):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))
    verifier = example.Verifier(live.url, "https://api.example.com")

    for bad in (*tokens.values(), "", "x", "a.b.c"):
        with pytest.raises(example.TokenRejected):
            verifier.verify(str(bad))


# A broken issuer


@pytest.fixture
def issuer():
    """Run an issuer of a valid status list, of which a test changes parts."""
    key, changes = ec.generate_private_key(ec.SECP256R1()), {}
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = json.dumps({"keys": [{**jwk, "kid": "k", "use": "sig", "alg": "ES256"}]}).encode()

    def sign(typ, claims, key=key):
        return jwt.encode(claims, key, algorithm="ES256", headers={"typ": typ, "kid": "k"})

    def respond(head):
        if "/jwks.json" in head:
            return [http_response(keys)]
        compressed = changes.get("compressed", zlib.compress(bytes(128)))
        now = int(time.time())
        claims = {"sub": uri, "iat": now, "exp": now + 60, "ttl": 30}
        claims["status_list"] = {"bits": 1, "lst": encode_segment(compressed)}
        text = sign(
            changes.get("typ", "statuslist+jwt"),
            claims | changes.get("claims", {}),
            changes.get("key", key),
        )
        body = changes.get("text", text).encode()
        return [http_response(body, changes.get("status", "200 OK"), **changes.get("headers", {}))]

    def token(**status):
        claims = {"iss": url, "aud": url, "sub": "ada", "iat": int(time.time())}
        reference = {"idx": 7, "uri": uri} | status
        claims |= {"exp": claims["iat"] + 60, "status": {"status_list": reference}}
        return sign("at+jwt", claims)

    with loopback_server(respond) as server:
        url = f"http://127.0.0.1:{server.port}"
        uri = f"{url}/tokens/status/0"
        yield SimpleNamespace(url=url, uri=uri, changes=changes, token=token, server=server)


@pytest.fixture
def verifier(example, issuer):
    return example.Verifier(issuer.url, issuer.url)


def test_status_list_that_is_valid_is_used_and_cached(issuer, verifier):
    for _ in range(3):
        assert verifier.verify(issuer.token())["sub"] == "ada"

    assert issuer.server.connections == 2  # keys and list


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"typ": "at+jwt"}, "type statuslist"),
        ({"claims": {"sub": "https://other.example/tokens/status/0"}}, "subject"),
        ({"claims": {"exp": 1}}, "expired"),
        ({"claims": {"exp": None}}, "exp"),
        ({"claims": {"ttl": "30"}}, "malformed"),
        ({"claims": {"status_list": {"bits": 2, "lst": ""}}}, "one bit"),
        ({"claims": {"status_list": {}}}, "malformed"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "[Ss]ignature"),
        ({"status": "503 Service Unavailable"}, "503"),
        ({"status": "302 Found", "headers": {"Location": "/tokens/status/1"}}, "302"),
        ({"text": "x" * 500_000}, "too long"),
        ({"compressed": b"x"}, "malformed"),
        ({"compressed": zlib.compress(bytes(100))[:-2]}, "or broken"),
        ({"compressed": zlib.compress(bytes(2**17 + 1))}, "too large"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_status_list_that_is_invalid_rejects_all_tokens(issuer, verifier, example, changes, reason):
    issuer.changes.update(changes)

    with pytest.raises(example.TokenRejected, match=reason):
        verifier.verify(issuer.token())


def test_status_list_that_is_a_decompression_bomb_costs_little(example, monkeypatch):
    compressor = zlib.compressobj(9)
    bomb = b"".join(compressor.compress(bytes(2**20)) for _ in range(200)) + compressor.flush()
    started = time.process_time()

    with pytest.raises(ValueError, match="too large"):
        example.decompress({"bits": 1, "lst": encode_segment(bomb)})

    assert time.process_time() - started < 0.5


def test_token_with_a_wrong_status_reference_is_rejected(issuer, verifier, example):
    references = [
        *({"idx": idx} for idx in (-1, 1024, 2**70, True, 7.0, "7", None)),
        *({"uri": uri} for uri in ("http://127.0.0.1:1/tokens/status/0", "x", None, 7)),
    ]

    for reference in references:
        with case(reference=reference), pytest.raises(example.TokenRejected):
            verifier.verify(issuer.token(**reference))
    assert len(issuer.server.requests) == 2  # one for the keys and one for the list


def test_status_list_is_read_at_the_index_of_the_token(issuer, verifier, example):
    issuer.changes["compressed"] = zlib.compress(bytes([0, 0b0000_0010]) + bytes(126))

    for idx in (0, 1, 8, 10, 17, 1023):
        assert verifier.verify(issuer.token(idx=idx))
    with pytest.raises(example.TokenRejected, match="has ended"):
        verifier.verify(issuer.token(idx=9))


def test_status_list_example_of_the_specification_is_decoded(example):
    bits = example.decompress({"bits": 1, "lst": "eNrbuRgAAhcBXQ"})  # section 4.2

    assert bits == b"\xb9\xa3"
