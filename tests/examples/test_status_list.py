"""The example that verifies access tokens in another service: with a real server and bad ones."""

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
from tests.loopback import http, serving
from tests.tokens.forgery import case, segment

FILE = Path(__file__).parents[2] / "docs/examples/status_list/verify.py"


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("verify_example", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# A real server


@pytest.fixture
def pass_time(time_machine):
    """Let seconds pass for the example, though not for its server."""
    time_machine.move_to(time.time())
    return time_machine.shift


def test_a_token_is_verified_and_refused_when_its_session_has_ended(live, example, pass_time):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))
    verifier = example.Verifier(live.url, live.url)
    claims = verifier.verify(tokens["access_token"])
    assert claims["sub"] == tokens["user"]["id"]

    live.client.as_(tokens).post("/auth/logout")
    time.sleep(1)
    assert verifier.verify(tokens["access_token"]) == claims  # the list is kept for its ttl
    pass_time(31)

    with pytest.raises(example.TokenRejected, match="its session has ended"):
        verifier.verify(tokens["access_token"])


def test_a_list_outlives_an_outage_until_it_expires(live, example, pass_time):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))
    verifier = example.Verifier(live.url, live.url)
    verifier.verify(tokens["access_token"])
    live.kill()

    for _ in range(2):
        pass_time(31)
        assert verifier.verify(tokens["access_token"])
    pass_time(61)

    with pytest.raises(example.TokenRejected, match="refused"):
        verifier.verify(tokens["access_token"])


def test_a_token_for_somebody_else_and_no_token_at_all_are_refused(live, example):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))
    verifier = example.Verifier(live.url, "https://api.example.com")

    for bad in (*tokens.values(), "", "x", "a.b.c"):
        with pytest.raises(example.TokenRejected):
            verifier.verify(str(bad))


# A server that publishes what it should not


@pytest.fixture
def issuer():
    """An issuer whose list is made of what a test changes in a good one."""
    key, changes = ec.generate_private_key(ec.SECP256R1()), {}
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = json.dumps({"keys": [{**jwk, "kid": "k", "use": "sig", "alg": "ES256"}]}).encode()

    def sign(typ, claims, key=key):
        return jwt.encode(claims, key, algorithm="ES256", headers={"typ": typ, "kid": "k"})

    def answer(head):
        if "/jwks.json" in head:
            return [http(keys)]
        packed = changes.get("packed", zlib.compress(bytes(128)))
        now = int(time.time())
        claims = {"sub": uri, "iat": now, "exp": now + 60, "ttl": 30}
        claims["status_list"] = {"bits": 1, "lst": segment(packed)}
        text = sign(
            changes.get("typ", "statuslist+jwt"),
            claims | changes.get("claims", {}),
            changes.get("key", key),
        )
        body = changes.get("text", text).encode()
        return [http(body, changes.get("status", "200 OK"), **changes.get("headers", {}))]

    def token(**status):
        own = {"iss": url, "aud": url, "sub": "ada", "iat": int(time.time())}
        place = {"idx": 7, "uri": uri} | status
        own |= {"exp": own["iat"] + 60, "status": {"status_list": place}}
        return sign("at+jwt", own)

    with serving(answer) as server:
        url = f"http://127.0.0.1:{server.port}"
        uri = f"{url}/tokens/status/0"
        yield SimpleNamespace(url=url, uri=uri, changes=changes, token=token, server=server)


@pytest.fixture
def verifier(example, issuer):
    return example.Verifier(issuer.url, issuer.url)


def test_the_good_list_is_believed_and_kept(issuer, verifier):
    for _ in range(3):
        assert verifier.verify(issuer.token())["sub"] == "ada"

    assert issuer.server.connections == 2  # keys and list


@pytest.mark.parametrize(
    ("changes", "why"),
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
        ({"packed": b"x"}, "malformed"),
        ({"packed": zlib.compress(bytes(100))[:-2]}, "or broken"),
        ({"packed": zlib.compress(bytes(2**17 + 1))}, "too large"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_list_that_is_not_as_it_must_be_lets_nobody_in(issuer, verifier, example, changes, why):
    issuer.changes.update(changes)

    with pytest.raises(example.TokenRejected, match=why):
        verifier.verify(issuer.token())


def test_a_list_that_would_unpack_to_a_gigabyte_costs_next_to_nothing(example, monkeypatch):
    pressed = zlib.compressobj(9)
    bomb = b"".join(pressed.compress(bytes(2**20)) for _ in range(200)) + pressed.flush()
    began = time.process_time()

    with pytest.raises(ValueError, match="too large"):
        example.decompress({"bits": 1, "lst": segment(bomb)})

    assert time.process_time() - began < 0.1


def test_a_place_that_is_not_there_lets_nobody_in(issuer, verifier, example):
    places = [
        *({"idx": idx} for idx in (-1, 1024, 2**70, True, 7.0, "7", None)),
        *({"uri": uri} for uri in ("http://127.0.0.1:1/tokens/status/0", "x", None, 7)),
    ]

    for place in places:
        with case(place=place), pytest.raises(example.TokenRejected):
            verifier.verify(issuer.token(**place))
    assert len(issuer.server.requests) == 2  # one for the keys and one for the list


def test_the_right_bit_is_looked_at(issuer, verifier, example):
    issuer.changes["packed"] = zlib.compress(bytes([0, 0b0000_0010]) + bytes(126))

    for idx in (0, 1, 8, 10, 17, 1023):
        assert verifier.verify(issuer.token(idx=idx))
    with pytest.raises(example.TokenRejected, match="has ended"):
        verifier.verify(issuer.token(idx=9))


def test_the_draft_example_reads_as_the_draft_says(example):
    bits = example.decompress({"bits": 1, "lst": "eNrbuRgAAhcBXQ"})  # section 4.2

    assert bits == b"\xb9\xa3"
