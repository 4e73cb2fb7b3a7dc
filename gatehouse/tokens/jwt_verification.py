"""Verify a JWT: key, signature, times, type and claims.

We verify only tokens that we issued, so a token has exactly our form: compact, three header
members, claims of known syntax. Everything else that the standards allow (`crit`, `b64`, `jku`,
`jwk`, `x5c`, `zip`, other types) is rejected unread. PyJWT verifies signatures (see decision 34).
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from jwt.algorithms import Algorithm, get_default_algorithms

import config
from gatehouse.core import clock
from gatehouse.tokens import claims as claim_checks
from gatehouse.tokens.key_set import Key
from gatehouse.tokens.specs import ACCESS, REFRESH, AcceptedTokens
from gatehouse.tokens.worker_state import LEEWAY, state

MAX_LENGTH = 4096  # characters; ours have about 800
JWS_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)  # RFC 7515 section 3.1, no padding
Json = dict[str, Any]
ClaimCheck = Callable[[Json], None]
HEADER_MEMBERS = {"typ", "alg", "kid"}
CLAIM_CHECKS: Mapping[str, ClaimCheck] = {
    ACCESS: partial(claim_checks.validate_claims, checks=claim_checks.ACCESS),
    REFRESH: partial(claim_checks.validate_claims, checks=claim_checks.REFRESH),
}
CLIENT_CLAIM_CHECKS: Mapping[str, ClaimCheck] = {
    ACCESS: claim_checks.validate_client_access,
    REFRESH: partial(claim_checks.validate_claims, checks=claim_checks.CLIENT_REFRESH),
}
SIGNATURES: dict[str, Algorithm] = get_default_algorithms()


class Expired(Exception):
    """The token is ours, but has expired."""


class TokenMalformed(Exception):
    """The token is malformed, of another type, or not signed by us."""


def verify_jwt(encoded: str, accepted: AcceptedTokens) -> Json:
    """Return the verified claims of a token of an accepted kind.

    Raises:
        Expired: the token is ours, but its `exp` has passed.
        TokenMalformed: any other check failed.
    """
    try:
        header, claims = _verify_signature(encoded)
        is_of_clients = accepted.client_ids is None
        checks = CLIENT_CLAIM_CHECKS if is_of_clients else CLAIM_CHECKS
        checks[accepted.type](claims)
    except (ValueError, TypeError, RecursionError):
        raise TokenMalformed from None
    if not accepted.match(header, claims) or claims["iss"] != config.settings().public_url:
        raise TokenMalformed
    _check_times(claims, time_for(claims["iat"]))
    return claims


def time_for(issued_at: int) -> int:
    """Return the time by which to judge a token that was issued at this time.

    A token from the future was issued before the clock was set back: the clock of that time, which
    still runs, decides. Otherwise recent tokens would be rejected as forged, or valid too long.
    """
    now = clock.unix_time()
    return now if issued_at <= now + LEEWAY else int(clock.latest_time().timestamp())


def _check_times(claims: Json, now: int) -> None:
    """Check `iat`, `nbf` and `exp` (RFC 7519 sections 4.1.4 to 4.1.6), with `LEEWAY` for skew."""
    if max(claims["iat"], claims.get("nbf", 0)) > now + LEEWAY:
        raise TokenMalformed
    if claims["exp"] + LEEWAY <= now:
        raise Expired


def _find_key(header: Json) -> Key:
    """Return the key of a header's `kid`; `alg` must be that key's (RFC 8725 section 3.1).

    Raises:
        ValueError: there is no such key.
    """
    kid = header.get("kid")
    key = state().require_keys().keys.get(kid) if isinstance(kid, str) else None
    if key is None or header.get("alg") != key.algorithm:
        raise ValueError("unknown key")
    return key


def _verify_signature(encoded: str) -> tuple[Json, Json]:
    """Return header and claims; the claims are parsed only after the signature is verified."""
    if len(encoded) > MAX_LENGTH or not JWS_COMPACT.fullmatch(encoded):
        raise ValueError("not a compact token")
    head, body, tail = encoded.split(".")
    header = _decode_header(head)
    key = _find_key(header)
    signature = _decode_base64url(tail)
    if base64.urlsafe_b64encode(signature).rstrip(b"=") != tail.encode():
        raise ValueError("not canonical")  # RFC 4648 section 3.5; the signature covers the rest
    if not SIGNATURES[key.algorithm].verify(f"{head}.{body}".encode(), key.public, signature):
        raise ValueError("not our signature")
    return header, _decode_object(body)


@lru_cache(maxsize=64)
def _decode_header(segment: str) -> Json:
    """Return the parsed header; cached, because all tokens of one key and type share it."""
    header = _decode_object(segment)
    if header.keys() != HEADER_MEMBERS:
        raise ValueError("not a header of ours")
    return header


def _decode_object(segment: str) -> Json:
    value = json.loads(_decode_base64url(segment).decode())
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _decode_base64url(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
