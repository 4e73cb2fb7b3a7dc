"""Tokens that are too long, too deeply nested, in another encoding, or missing."""

import json
import time
import zlib
from functools import partial

import pytest

from tests.tokens.forgery import (
    FORWARD_AUTH,
    ME,
    REFRESH,
    assert_rejected,
    case,
    decode_token,
    encode_segment,
    replace_segments,
    sign,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# JW-11: size and encoding


def padded(token):
    """Return a token whose signature has the padding of plain base64."""
    return token + "=" * (-len(token.split(".")[2]) % 4)


def plain_alphabet(token):
    """Return a token whose signature is in base64 with `+` and `/`."""
    signature = token.split(".")[2]
    return replace_segments(token, signature=signature.replace("-", "+").replace("_", "/"))


def loose_bits(token):
    """Return a token with unused bits set in its last character."""
    return token[:-1] + ALPHABET[ALPHABET.index(token[-1]) + 1]


@pytest.mark.requirement("JW-11")
def test_token_in_another_base64_spelling_is_rejected(all_endpoints_reject, forger):
    spellings = (
        padded,
        plain_alphabet,
        loose_bits,
        lambda token: f"{token}====",
        lambda token: f"{token}!",
        lambda token: token.replace(".", ".!", 1),
        lambda token: token.replace(".", ". ", 1),
        lambda token: f"{token}\u00b2",
    )

    def spelled(spelling, token):
        while not {"-", "_"} <= set(
            token.split(".")[2]
        ):  # characters that standard base64 spells differently
            token = forger.sign_again(token)
        return spelling(token)

    all_endpoints_reject(partial(spelled, spelling) for spelling in spellings)


@pytest.mark.requirement("JW-11")
def test_token_with_compressed_claims_is_rejected(all_endpoints_reject, forger):
    def compressed(token):
        header, claims = decode_token(token)
        payload = zlib.compress(json.dumps(claims).encode())
        return sign({**header, "zip": "DEF"}, payload, forger.key.private)

    all_endpoints_reject([compressed])


@pytest.mark.requirement("JW-11")
def test_token_with_pbes2_encryption_is_rejected_without_key_derivation(all_endpoints_reject):
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1, "p2s": "c2FsdA"}
    encrypted = ".".join([encode_segment(header), "AA", "AA", "AA", "AA"])
    began = time.process_time()

    all_endpoints_reject([lambda token: encrypted])

    assert time.process_time() - began < 60  # 2**31 iterations take many minutes


@pytest.mark.requirement("JW-11")
def test_token_with_deeply_nested_json_is_rejected(all_endpoints_reject):
    for opening in ("[", '{"a":', '{"kid":['):
        nested = encode_segment((opening * (2500 // len(opening))).encode())

        all_endpoints_reject(
            [partial(replace_segments, header=nested), partial(replace_segments, claims=nested)]
        )


@pytest.mark.requirement("JW-11", "JW-03")
@pytest.mark.parametrize("size", [4097, 10_000, 1_000_000])
def test_access_token_that_is_too_long_is_rejected(client, tokens, forger, size):
    long_kid = forger.sign_again(tokens["access_token"], header={"kid": "k" * size})
    stuffed = forger.sign_again(tokens["access_token"], claims={"stuffing": "x" * size})

    for endpoint in (ME, FORWARD_AUTH):
        for token in (long_kid, stuffed, "x" * size, "." * size):
            assert_rejected(endpoint.send(client, token), "token_invalid")


@pytest.mark.requirement("JW-11")
@pytest.mark.parametrize(
    ("size", "status", "code"),
    [(10_000, 422, "validation_failed"), (1_000_000, 413, "payload_too_large")],
)
def test_refresh_token_that_is_too_long_is_rejected(client, tokens, forger, size, status, code):
    long = forger.sign_again(tokens["refresh_token"], claims={"stuffing": "x" * size})

    response = REFRESH.send(client, long)

    assert (response.status_code, response.json["code"]) == (status, code)


# Missing tokens, and other ways to send them


def test_authorization_header_without_a_bearer_token_is_reported_as_missing(client):
    for path in ("/auth/me", "/gateway/verify", "/auth/sessions"):
        with case(path=path):
            for header in (None, "", "Bearer", "Bearer ", "Basic YTpi", "Token x", "bearer:x", "x"):
                headers = {} if header is None else {"Authorization": header}

                response = client.get(path, headers=headers)

                with case(header=header):
                    assert_rejected(response, "token_missing")
                    assert (
                        "error=" not in response.headers["WWW-Authenticate"]
                    )  # RFC 6750 section 3.1


def test_authorization_scheme_is_case_insensitive(client, tokens):
    for scheme in ("Bearer", "bearer", "BEARER"):
        with case(scheme=scheme):
            headers = {"Authorization": f"{scheme} {tokens['access_token']}"}

            assert client.get("/auth/me", headers=headers).status_code == 200


def test_refresh_token_must_be_a_string(client):
    for value in (None, 7, True, ["x"], {"token": "x"}, ""):
        response = client.post("/auth/refresh", {"refresh_token": value})

        with case(value=value):
            assert (response.status_code, response.json["code"]) == (422, "validation_failed")


def test_authorization_header_must_be_sent_once(client, tokens):
    twice = f"Bearer {tokens['access_token']}, Bearer {tokens['access_token']}"

    response = client.get("/auth/me", headers={"Authorization": twice})

    assert (response.status_code, response.json["code"]) == (400, "malformed_request")
