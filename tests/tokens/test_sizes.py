"""Tokens that are too long, too deep, spelled otherwise, or not there at all."""

import json
import time
import zlib
from functools import partial

import pytest

from tests.tokens.forgery import (
    GATEWAY,
    ME,
    REFRESH,
    assert_refused,
    case,
    read,
    segment,
    signed,
    with_parts,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# JW-11: size and encoding


def padded(token):
    """Return a token whose signature has the padding of plain base64."""
    return token + "=" * (-len(token.split(".")[2]) % 4)


def plain_alphabet(token):
    """Return a token whose signature is in base64 with `+` and `/`."""
    signature = token.split(".")[2]
    return with_parts(token, signature=signature.replace("-", "+").replace("_", "/"))


def loose_bits(token):
    """Return a token whose last character has bits that mean nothing."""
    return token[:-1] + ALPHABET[ALPHABET.index(token[-1]) + 1]


@pytest.mark.requirement("JW-11")
def test_base64url_has_one_spelling(every_door_refuses, forger):
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
        while not {"-", "_"} <= set(token.split(".")[2]):  # letters that have another spelling
            token = forger.like(token)
        return spelling(token)

    every_door_refuses(partial(spelled, spelling) for spelling in spellings)


@pytest.mark.requirement("JW-11")
def test_compression_is_refused(every_door_refuses, forger):
    def compressed(token):
        header, claims = read(token)
        payload = zlib.compress(json.dumps(claims).encode())
        return signed({**header, "zip": "DEF"}, payload, forger.key.private)

    every_door_refuses([compressed])


@pytest.mark.requirement("JW-11")
def test_an_encrypted_token_costs_no_key_derivation(every_door_refuses):
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1, "p2s": "c2FsdA"}
    encrypted = ".".join([segment(header), "AA", "AA", "AA", "AA"])
    began = time.process_time()

    every_door_refuses([lambda token: encrypted])

    assert time.process_time() - began < 60  # 2**31 iterations take many minutes


@pytest.mark.requirement("JW-11")
def test_nesting_has_an_end(every_door_refuses):
    for opening in ("[", '{"a":', '{"kid":['):
        nested = segment((opening * (2500 // len(opening))).encode())

        every_door_refuses([partial(with_parts, header=nested), partial(with_parts, claims=nested)])


@pytest.mark.requirement("JW-11", "JW-03")
@pytest.mark.parametrize("size", [4097, 10_000, 1_000_000])
def test_an_access_token_that_is_too_long_is_not_read(client, tokens, forger, size):
    long_kid = forger.like(tokens["access_token"], header={"kid": "k" * size})
    stuffed = forger.like(tokens["access_token"], claims={"stuffing": "x" * size})

    for door in (ME, GATEWAY):
        for token in (long_kid, stuffed, "x" * size, "." * size):
            assert_refused(door.knock(client, token), "token_invalid")


@pytest.mark.requirement("JW-11")
@pytest.mark.parametrize(
    ("size", "status", "code"),
    [(10_000, 422, "validation_failed"), (1_000_000, 413, "payload_too_large")],
)
def test_a_refresh_token_that_is_too_long_is_not_read(client, tokens, forger, size, status, code):
    long = forger.like(tokens["refresh_token"], claims={"stuffing": "x" * size})

    answer = REFRESH.knock(client, long)

    assert (answer.status_code, answer.json["code"]) == (status, code)


# Who sends no token, or sends it otherwise


@pytest.mark.parametrize("path", ["/auth/me", "/gateway/verify", "/auth/sessions"])
def test_without_a_bearer_token_nothing_opens(client, path):
    for header in (None, "", "Bearer", "Bearer ", "Basic YTpi", "Token x", "bearer:x", "x"):
        headers = {} if header is None else {"Authorization": header}

        answer = client.get(path, headers=headers)

        with case(header=header):
            assert_refused(answer, "token_missing")
            assert "error=" not in answer.headers["WWW-Authenticate"]  # RFC 6750 section 3.1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(client, tokens, scheme):
    headers = {"Authorization": f"{scheme} {tokens['access_token']}"}

    assert client.get("/auth/me", headers=headers).status_code == 200


def test_a_refresh_token_is_text(client):
    for value in (None, 7, True, ["x"], {"token": "x"}, ""):
        answer = client.post("/auth/refresh", {"refresh_token": value})

        with case(value=value):
            assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")


def test_two_authorization_headers_are_refused(client, tokens):
    twice = f"Bearer {tokens['access_token']}, Bearer {tokens['access_token']}"

    answer = client.get("/auth/me", headers={"Authorization": twice})

    assert (answer.status_code, answer.json["code"]) == (400, "malformed_request")
