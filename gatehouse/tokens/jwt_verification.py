"""From the text of a token to its claims: key, signature, times, and that it is of its kind.

We verify only what we signed ourselves, so a token has exactly our form: compact, three header
members, claims of known shapes. Whatever else the standards allow (`crit`, `b64`, `jku`, `jwk`,
`x5c`, `zip`, other types) is refused without being looked at. The signature itself is PyJWT's.
"""

import base64
import json
import re
from functools import lru_cache
from typing import Any

from jwt.algorithms import Algorithm, get_default_algorithms

import config
from gatehouse.core import clock
from gatehouse.tokens import claims as shapes
from gatehouse.tokens.keys import Key
from gatehouse.tokens.worker_state import LEEWAY, state

LONGEST = 4096  # characters; ours have about 800
COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)  # RFC 7515 section 3.1, no padding
HEADER = {"typ", "alg", "kid"}
SHAPES = {"access": shapes.ACCESS, "refresh": shapes.REFRESH}
TYP = {"access": "at+jwt", "refresh": "rt+jwt"}
SIGNATURES: dict[str, Algorithm] = get_default_algorithms()
Json = dict[str, Any]


class Expired(Exception):
    """It was a token of ours."""


class Foreign(Exception):
    """It is broken, somebody else's, or of another kind."""


def refresh_audience() -> str:
    """Return the only place where a refresh token is taken."""
    return f"{config.settings().public_url}/auth/refresh"


def claims_of(encoded: str, kind: str) -> Json:
    """Return the claims of an `access` or `refresh` token, all of them verified.

    Raises:
        Expired, Foreign: it is not to be believed.
    """
    try:
        header, claims = _signed(encoded)
        shapes.require(claims, SHAPES[kind])
    except (ValueError, TypeError, RecursionError):
        raise Foreign from None
    if not is_of_kind(kind, header, claims) or claims["iss"] != config.settings().public_url:
        raise Foreign
    _check_times(claims, clock.seconds())
    return claims


def _check_times(claims: Json, now: int) -> None:
    """RFC 7519 sections 4.1.4 to 4.1.6; the clocks of our workers may differ a little."""
    if max(claims["iat"], claims.get("nbf", 0)) > now + LEEWAY:
        raise Foreign
    if claims["exp"] + LEEWAY <= now:
        raise Expired


def is_of_kind(kind: str, header: Json, claims: Json) -> bool:
    """Tell the kinds apart by `typ`, `type` and `aud`, all at once (RFC 8725 section 3.11)."""
    audience = config.settings().audience if kind == "access" else refresh_audience()
    told = (header.get("typ"), claims.get("type"), claims.get("aud"))
    return told == (TYP[kind], kind, audience)


def key_of(header: Json) -> Key:
    """Return the key that a header names; its algorithm is the key's (RFC 8725 section 3.1).

    Raises:
        ValueError: there is no such key.
    """
    kid = header.get("kid")
    key = state().keys().keys.get(kid) if isinstance(kid, str) else None
    if key is None or header.get("alg") != key.algorithm:
        raise ValueError("unknown key")
    return key


def _signed(encoded: str) -> tuple[Json, Json]:
    """Return header and claims; the claims are read only after the signature was verified."""
    if len(encoded) > LONGEST or not COMPACT.fullmatch(encoded):
        raise ValueError("not a compact token")
    head, body, tail = encoded.split(".")
    header = _header(head)
    key = key_of(header)
    signature = _bytes(tail)
    if base64.urlsafe_b64encode(signature).rstrip(b"=") != tail.encode():
        raise ValueError("not the one spelling")  # RFC 4648 section 3.5; the rest is signed as text
    if not SIGNATURES[key.algorithm].verify(f"{head}.{body}".encode(), key.public, signature):
        raise ValueError("not our signature")
    return header, _object(body)


@lru_cache(maxsize=64)
def _header(segment: str) -> Json:
    """Return a header of ours; all tokens of a key have the same."""
    header = _object(segment)
    if header.keys() != HEADER:
        raise ValueError("not a header of ours")
    return header


def _object(segment: str) -> Json:
    value = json.loads(_bytes(segment).decode())
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _bytes(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
