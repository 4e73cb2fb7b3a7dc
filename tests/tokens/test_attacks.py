"""Forged tokens: only our own signature, algorithm, keys and format are accepted."""

import itertools
import json
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatehouse.tokens.keys import JWK_CLASSES
from tests.tokens.forgery import (
    ABSENT,
    ENDPOINTS,
    FORWARD_AUTH,
    ME,
    REFRESH,
    assert_rejected,
    decode_segment,
    decode_token,
    encode_segment,
    replace_members,
    replace_segments,
    sign,
    sign_again,
)

FOREIGN_KEY = ec.generate_private_key(ec.SECP256R1())


sign_with_foreign_key = partial(sign_again, FOREIGN_KEY)


def test_token_signed_again_with_the_active_key_is_accepted(client, tokens, forger):
    for name, endpoint in ENDPOINTS.items():
        response = endpoint.send(client, forger.sign_again(tokens[endpoint.token_name]))

        assert response.status_code == 200, name


# JW-01: the signature


def flipped(token, place, position):
    """Return the token with one bit of one segment flipped."""
    parts = token.split(".")
    raw = bytearray(decode_segment(parts[place]))
    raw[position] ^= 1
    parts[place] = encode_segment(bytes(raw))
    return ".".join(parts)


@pytest.mark.requirement("JW-01")
def test_token_with_one_flipped_bit_is_rejected(all_endpoints_reject):
    bits = itertools.product(range(3), (0, 20, -1))

    all_endpoints_reject(partial(flipped, place=place, position=where) for place, where in bits)


@pytest.mark.requirement("JW-01")
def test_token_without_its_signature_is_rejected(all_endpoints_reject):
    signatures = ("", ABSENT, "AA", "A" * 86, "A" * 1000)

    all_endpoints_reject(partial(replace_segments, signature=signature) for signature in signatures)


@pytest.mark.requirement("JW-01")
def test_signature_of_another_token_is_rejected(client, tokens):
    other = client.refresh(tokens).json

    for endpoint in ENDPOINTS.values():
        borrowed = other[endpoint.token_name].split(".")[2]
        token = replace_segments(tokens[endpoint.token_name], signature=borrowed)
        assert_rejected(endpoint.send(client, token), "token_invalid")


@pytest.mark.requirement("JW-01")
def test_signature_by_a_foreign_key_under_our_kid_is_rejected(all_endpoints_reject):
    all_endpoints_reject([sign_with_foreign_key])


@pytest.mark.requirement("JW-01")
def test_invalid_signature_is_reported_before_invalid_claims(all_endpoints_reject):
    false = ({"exp": 1}, {"iss": "https://evil.example"}, {"sub": 7}, {"aud": ABSENT})

    all_endpoints_reject(partial(sign_with_foreign_key, claims=claims) for claims in false)


# JW-02: the algorithm


def renamed(token, name, signature):
    """Return the token with another `alg` and perhaps another signature."""
    header = encode_segment(replace_members(decode_token(token)[0], {"alg": name}))
    return replace_segments(token, header=header, **signature)


@pytest.mark.requirement("JW-02")
def test_algorithm_none_is_rejected_in_every_spelling(all_endpoints_reject):
    names = ("none", "None", "nOnE", "NONE", "", None, ABSENT, 7, ["ES256"])
    cases = itertools.product(names, ({}, {"signature": ""}, {"signature": "AA"}))

    all_endpoints_reject(partial(renamed, name=name, signature=kept) for name, kept in cases)


def public_secrets(key):
    """Return the encodings of a public key that a flawed verifier may use as an HMAC secret."""
    form = PublicFormat.SubjectPublicKeyInfo
    pem = key.public.public_bytes(Encoding.PEM, form)
    jwk = {name: value for name, value in key.jwk.items() if name not in ("kid", "use", "alg")}
    return [
        pem,
        pem.strip(),
        key.public.public_bytes(Encoding.DER, form),
        json.dumps(jwk, separators=(",", ":")).encode(),
        json.dumps(key.jwk, separators=(",", ":")).encode(),
        key.kid.encode(),
        b"",
    ]


@pytest.mark.requirement("JW-02")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.settings(GATEHOUSE_SIGNING_ALGORITHM=kind))
        for kind in JWK_CLASSES
    ],
)
def test_algorithm_hmac_with_the_public_key_is_rejected(all_endpoints_reject, forger, kind):
    cases = itertools.product(("HS256", "HS512"), public_secrets(forger.key))

    all_endpoints_reject(
        partial(sign_again, secret, header={"alg": name}) for name, secret in cases
    )


@pytest.mark.requirement("JW-02")
def test_signature_of_extreme_numbers_is_rejected(all_endpoints_reject):
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    numbers = (0, 1, order, order - 1, 2**256 - 1)
    pairs = itertools.product([number.to_bytes(32) for number in numbers], repeat=2)

    all_endpoints_reject(
        partial(replace_segments, signature=encode_segment(r + s)) for r, s in pairs
    )


@pytest.mark.requirement("JW-02")
def test_algorithm_must_be_that_of_the_key(all_endpoints_reject, forger):
    names = ("RS256", "PS256", "ES384", "EdDSA", "ES256K", "HS256")

    all_endpoints_reject(partial(forger.sign_again, header={"alg": name}) for name in names)


@pytest.mark.requirement("JW-02")
def test_signature_by_a_foreign_rsa_key_is_rejected(all_endpoints_reject):
    foreign_rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    all_endpoints_reject([partial(sign_again, foreign_rsa_key, header={"alg": "RS256"})])


# JW-03: where keys come from


@pytest.mark.requirement("JW-03")
def test_header_with_a_key_of_its_own_is_rejected(all_endpoints_reject):
    key = JWK_CLASSES["ES256"].import_key(FOREIGN_KEY)
    elsewhere = "https://192.0.2.1/jwks.json"  # the harness blocks connections to it
    brought = (
        {"jku": elsewhere},
        {"x5u": elsewhere},
        {"jwk": key.as_dict(private=False)},
        {"x5c": ["MIIB"]},
    )
    kids = ({}, {"kid": key.thumbprint()}, {"kid": ABSENT})

    all_endpoints_reject(
        partial(sign_with_foreign_key, header=more | kid)
        for more, kid in itertools.product(brought, kids)
    )


@pytest.mark.requirement("JW-03")
def test_header_with_an_unknown_kid_is_rejected(all_endpoints_reject, forger):
    ours = forger.key.kid
    kids = (
        *(ABSENT, None, "", "unknown", "\x00", "ключ", 7, True, "k" * 2000),
        *("../../../../dev/null", "/etc/hostname", "' OR 1=1 --", "x' UNION SELECT 'a"),
        *([ours], {"kid": ours}, ours[:-1], f"{ours} ", ours.swapcase()),
    )

    all_endpoints_reject(partial(forger.sign_again, header={"kid": kid}) for kid in kids)


# JW-04: the form


@pytest.mark.requirement("JW-04")
def test_header_with_critical_members_is_rejected(all_endpoints_reject, forger):
    headers = (
        {"crit": ["x"]},
        {"crit": ["x"], "x": 1},
        {"crit": ["exp"], "exp": 9},
        {"crit": []},
        {"crit": "x"},
        {"crit": None},
        {"crit": [7]},
        {"b64": False},
        {"b64": False, "crit": ["b64"]},
    )

    all_endpoints_reject(partial(forger.sign_again, header=header) for header in headers)


def serialize_flattened(token):
    """Return the token in flattened JSON serialization (RFC 7515 section 7.2.2)."""
    names = ("protected", "payload", "signature")
    return json.dumps(dict(zip(names, token.split("."), strict=True)))


def serialize_general(token):
    """Return the token in general JSON serialization (RFC 7515 section 7.2.1)."""
    one = json.loads(serialize_flattened(token))
    payload = one.pop("payload")
    return json.dumps({"payload": payload, "signatures": [{**one, "header": {"typ": "at+jwt"}}]})


@pytest.mark.requirement("JW-04")
@pytest.mark.parametrize("serialise", [serialize_flattened, serialize_general])
def test_token_in_json_serialization_is_rejected(client, tokens, serialise):
    in_body = REFRESH.send(client, serialise(tokens["refresh_token"]))
    in_header = [
        endpoint.send(client, serialise(tokens["access_token"])) for endpoint in (ME, FORWARD_AUTH)
    ]

    assert_rejected(in_body, "token_invalid")
    for response in in_header:  # a comma in this header looks like two headers
        assert (response.status_code, response.json["code"]) == (400, "malformed_request")


@pytest.mark.requirement("JW-04")
def test_token_with_a_malformed_structure_is_rejected(all_endpoints_reject):
    texts = ("x", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "e30.e30.e30", "é.é.é")

    all_endpoints_reject(partial(lambda text, token: text, text) for text in texts)


@pytest.mark.requirement("JW-04")
def test_header_and_claims_must_be_json_objects(all_endpoints_reject, forger):
    def with_payload(value, token):
        return sign(decode_token(token)[0], value, forger.key.private)

    values = ([], "text", 7, None, b"", b"\xff\xfe", b"{")

    all_endpoints_reject(partial(with_payload, value) for value in values)
    all_endpoints_reject(
        partial(replace_segments, header=encode_segment(value)) for value in values
    )
