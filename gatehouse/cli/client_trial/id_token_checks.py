"""The checks of an ID token (OpenID Connect Core section 3.1.3.7), each with its result."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gatehouse.core import clock

HASHES = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256", "EdDSA": "sha512"}
ALGORITHMS = list(HASHES)
LEEWAY = 30
"""Seconds by which the clocks of the two machines may differ."""


@dataclass(frozen=True)
class Expected:
    """What a client knows about the ID token before it arrives."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str


@dataclass(frozen=True)
class Check:
    """A check, what it found, and whether that is right."""

    name: str
    found: str
    ok: bool

    def __str__(self) -> str:
        return f"{'ok   ' if self.ok else 'WRONG'} {self.name}: {self.found}"


def decode_part(token: str, number: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a JWT, unverified.

    Raises:
        ValueError: it is not a JWT.
    """
    part = token.split(".")[number] if token.count(".") == 2 else ""
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(decoded, dict):
        raise ValueError("a part of the token is no JSON object")
    return decoded


def check_id_token(token: str, jwks: Mapping[str, Any], expected: Expected) -> list[Check]:
    """Check the signature of an ID token and what it claims."""
    header, claims = decode_part(token, 0), decode_part(token, 1)
    return [_check_signature(token, header, jwks), *_check_claims(header, claims, expected)]


def _check_signature(token: str, header: Mapping[str, Any], jwks: Mapping[str, Any]) -> Check:
    found = f"{header.get('alg')} with the key {header.get('kid')}"
    try:
        keys = KeySet.import_key_set({"keys": jwks["keys"]})
        jws.deserialize_compact(token, keys, algorithms=ALGORITHMS)
    except (JoseError, KeyError, ValueError) as problem:
        return Check("signature", f"{found}: {type(problem).__name__}", False)
    return Check("signature", found, True)


def _check_claims(
    header: Mapping[str, Any], claims: Mapping[str, Any], expected: Expected
) -> Iterator[Check]:
    now = clock.now().timestamp()
    audience = claims.get("aud")
    yield _check("iss", claims.get("iss"), claims.get("iss") == expected.issuer)
    yield _check("aud", audience, audience in (expected.client_id, [expected.client_id]))
    yield _check("sub", claims.get("sub"), 0 < len(str(claims.get("sub") or "")) <= 255)
    yield _check("exp", claims.get("exp"), _number(claims.get("exp")) > now - LEEWAY)
    yield _check("iat", claims.get("iat"), 0 < _number(claims.get("iat")) <= now + LEEWAY)
    yield _check("nonce", claims.get("nonce"), claims.get("nonce") == expected.nonce)
    if "at_hash" in claims:
        hashed = left_hash(expected.access_token, str(header.get("alg")))
        yield _check("at_hash", claims["at_hash"], claims["at_hash"] == hashed)


def _check(name: str, found: object, ok: bool) -> Check:
    return Check(name, str(found), ok)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0


def left_hash(token: str, algorithm: str) -> str:
    """Return the `at_hash` of an access token (OpenID Connect Core section 3.1.3.6)."""
    digest = hashlib.new(HASHES.get(algorithm, "sha256"), token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
