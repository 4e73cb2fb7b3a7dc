"""Tokens that an attacker makes: no signature, algorithm, key or form but ours opens a door."""

import itertools
import json
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatehouse.tokens.keys import KINDS
from tests.tokens.forgery import (
    ABSENT,
    DOORS,
    GATEWAY,
    ME,
    REFRESH,
    assert_refused,
    changed,
    opened,
    read,
    segment,
    signed,
    signed_by,
    with_parts,
)

STRANGER = ec.generate_private_key(ec.SECP256R1())


by_stranger = partial(signed_by, STRANGER)


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_door_takes_a_token_that_is_signed_again_with_the_true_key(client, tokens, forger, door):
    answer = door.knock(client, forger.like(tokens[door.kind]))

    assert answer.status_code == 200


# JW-01: the signature


def flipped(token, place, position):
    """Return the token with one bit of one segment flipped, in base64url as before."""
    parts = token.split(".")
    raw = bytearray(opened(parts[place]))
    raw[position] ^= 1
    parts[place] = segment(bytes(raw))
    return ".".join(parts)


@pytest.mark.requirement("JW-01")
def test_one_flipped_bit_breaks_a_token(every_door_refuses):
    bits = itertools.product(range(3), (0, 20, -1))

    every_door_refuses(partial(flipped, place=place, position=where) for place, where in bits)


@pytest.mark.requirement("JW-01")
def test_no_token_goes_without_its_signature(every_door_refuses):
    signatures = ("", ABSENT, "AA", "A" * 86, "A" * 1000)

    every_door_refuses(partial(with_parts, signature=signature) for signature in signatures)


@pytest.mark.requirement("JW-01")
def test_a_signature_belongs_to_one_token(client, tokens):
    other = client.refresh(tokens).json

    for door in DOORS.values():
        borrowed = other[door.kind].split(".")[2]
        token = with_parts(tokens[door.kind], signature=borrowed)
        assert_refused(door.knock(client, token), "token_invalid")


@pytest.mark.requirement("JW-01")
def test_the_key_of_a_stranger_signs_nothing_under_our_kid(every_door_refuses):
    every_door_refuses([by_stranger])


@pytest.mark.requirement("JW-01")
def test_nothing_is_said_of_claims_whose_signature_is_false(every_door_refuses):
    false = ({"exp": 1}, {"iss": "https://evil.example"}, {"sub": 7}, {"aud": ABSENT})

    every_door_refuses(partial(by_stranger, claims=claims) for claims in false)


# JW-02: the algorithm


def renamed(token, name, signature):
    """Return the token with another `alg` and, perhaps, another signature."""
    header = segment(changed(read(token)[0], {"alg": name}))
    return with_parts(token, header=header, **signature)


@pytest.mark.requirement("JW-02")
def test_an_algorithm_that_is_none_is_none_of_ours(every_door_refuses):
    names = ("none", "None", "nOnE", "NONE", "", None, ABSENT, 7, ["ES256"])
    cases = itertools.product(names, ({}, {"signature": ""}, {"signature": "AA"}))

    every_door_refuses(partial(renamed, name=name, signature=kept) for name, kept in cases)


def public_secrets(key):
    """Return the forms of a public key that a careless verifier may use as an HMAC secret."""
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
        for kind in KINDS
    ],
)
def test_a_public_key_is_no_secret(every_door_refuses, forger, kind):
    cases = itertools.product(("HS256", "HS512"), public_secrets(forger.key))

    every_door_refuses(partial(signed_by, secret, header={"alg": name}) for name, secret in cases)


@pytest.mark.requirement("JW-02")
def test_a_signature_of_extreme_numbers_proves_nothing(every_door_refuses):
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    numbers = (0, 1, order, order - 1, 2**256 - 1)
    pairs = itertools.product([number.to_bytes(32) for number in numbers], repeat=2)

    every_door_refuses(partial(with_parts, signature=segment(r + s)) for r, s in pairs)


@pytest.mark.requirement("JW-02")
def test_a_key_goes_with_one_algorithm_only(every_door_refuses, forger):
    names = ("RS256", "PS256", "ES384", "EdDSA", "ES256K", "HS256")

    every_door_refuses(partial(forger.like, header={"alg": name}) for name in names)


@pytest.mark.requirement("JW-02")
def test_a_strangers_rsa_key_does_not_pass_as_our_elliptic_one(every_door_refuses):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    every_door_refuses([partial(signed_by, stranger, header={"alg": "RS256"})])


# JW-03: where keys come from


@pytest.mark.requirement("JW-03")
def test_a_token_cannot_bring_its_own_key(every_door_refuses):
    key = KINDS["ES256"].import_key(STRANGER)
    elsewhere = "https://192.0.2.1/jwks.json"  # the harness fails whoever connects there
    brought = (
        {"jku": elsewhere},
        {"x5u": elsewhere},
        {"jwk": key.as_dict(private=False)},
        {"x5c": ["MIIB"]},
    )
    kids = ({}, {"kid": key.thumbprint()}, {"kid": ABSENT})

    every_door_refuses(
        partial(by_stranger, header=more | kid) for more, kid in itertools.product(brought, kids)
    )


@pytest.mark.requirement("JW-03")
def test_a_kid_is_looked_up_and_nothing_else(every_door_refuses, forger):
    ours = forger.key.kid
    kids = (
        *(ABSENT, None, "", "unknown", "\x00", "ключ", 7, True, "k" * 2000),
        *("../../../../dev/null", "/etc/hostname", "' OR 1=1 --", "x' UNION SELECT 'a"),
        *([ours], {"kid": ours}, ours[:-1], f"{ours} ", ours.swapcase()),
    )

    every_door_refuses(partial(forger.like, header={"kid": kid}) for kid in kids)


# JW-04: the form


@pytest.mark.requirement("JW-04")
def test_what_must_be_understood_and_is_not_is_refused(every_door_refuses, forger):
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

    every_door_refuses(partial(forger.like, header=header) for header in headers)


def flattened(token):
    """Return the token in JSON serialisation (RFC 7515 section 7.2.2)."""
    names = ("protected", "payload", "signature")
    return json.dumps(dict(zip(names, token.split("."), strict=True)))


def general(token):
    """Return the token in the other JSON serialisation (RFC 7515 section 7.2.1)."""
    one = json.loads(flattened(token))
    payload = one.pop("payload")
    return json.dumps({"payload": payload, "signatures": [{**one, "header": {"typ": "at+jwt"}}]})


@pytest.mark.requirement("JW-04")
@pytest.mark.parametrize("serialise", [flattened, general])
def test_only_the_compact_form_is_read(client, tokens, serialise):
    in_body = REFRESH.knock(client, serialise(tokens["refresh_token"]))
    in_header = [door.knock(client, serialise(tokens["access_token"])) for door in (ME, GATEWAY)]

    assert_refused(in_body, "token_invalid")
    for answer in in_header:  # a comma in this header looks like two headers
        assert (answer.status_code, answer.json["code"]) == (400, "malformed_request")


@pytest.mark.requirement("JW-04")
def test_what_is_no_token_is_refused(every_door_refuses):
    texts = ("x", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "e30.e30.e30", "é.é.é")

    every_door_refuses(partial(lambda text, token: text, text) for text in texts)


@pytest.mark.requirement("JW-04")
def test_header_and_claims_are_json_objects(every_door_refuses, forger):
    def with_payload(value, token):
        return signed(read(token)[0], value, forger.key.private)

    values = ([], "text", 7, None, b"", b"\xff\xfe", b"{")

    every_door_refuses(partial(with_payload, value) for value in values)
    every_door_refuses(partial(with_parts, header=segment(value)) for value in values)
