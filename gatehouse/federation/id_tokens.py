"""Validation of ID tokens (OpenID Connect Core 1.0 section 3.1.3.7)."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from gatehouse.core import clock, crypto
from gatehouse.federation import metadata
from gatehouse.federation.errors import ProviderRejected
from gatehouse.federation.provider import Provider

MAX_LENGTH = 65_536
LEEWAY, MAX_AGE = 60, 600
"""Seconds: how far the clock of a provider may differ, and how old a token may be."""
MAX_SUBJECT_LENGTH = 255
Claims = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """What an ID token must contain to be the answer to our request."""

    audiences: tuple[str, ...]
    nonce: str | None
    """None if the token has one of ours that is looked up afterwards."""
    access_token: str = ""
    """That was issued with it; compared if the token has its hash."""


def verify_id_token(provider: Provider, encoded: str, expected: Expected) -> Claims:
    """Return the claims of an ID token.

    Raises:
        ProviderRejected: it is not valid; the reason is for operators.
        ProviderUnavailable: the keys of the provider cannot be read.
    """
    header, claims = _verify_signature(provider, encoded)
    _check_issuer_and_audience(provider, claims, expected)
    _check_times(provider, claims)
    _check_nonce(provider, claims.get("nonce"), expected.nonce)
    require_subject(provider, claims.get("sub"))
    if expected.access_token and "at_hash" in claims:
        _check_hash(provider, claims["at_hash"], expected.access_token, str(header["alg"]))
    return claims


def require_subject(provider: Provider, subject: object) -> str:
    """Return a subject: 1 to 255 printable ASCII characters (section 2).

    Raises:
        ProviderRejected: it is something else.
    """
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT_LENGTH:
        _reject(provider, "subject")
    if not (subject.isascii() and subject.isprintable()):
        _reject(provider, "subject")
    return subject


def _verify_signature(provider: Provider, encoded: str) -> tuple[Mapping[str, object], Claims]:
    if len(encoded) > MAX_LENGTH:
        _reject(provider, "token too long")
    header = _read_header(provider, encoded)
    if header.get("alg") not in provider.algorithms:  # never `none`, never a shared secret
        _reject(provider, "algorithm not allowed")
    for key in metadata.find_keys(provider, header):
        claims = _decode(provider, encoded, key)
        if claims is not None:
            return header, claims
    return _reject(provider, "signature")


def _decode(provider: Provider, encoded: str, key: Any) -> Claims | None:
    """Return the claims if the key has signed them."""
    try:
        claims = jwt.decode(encoded, key, algorithms=list(provider.algorithms)).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _read_header(provider: Provider, encoded: str) -> Mapping[str, object]:
    try:
        header = extract_compact(encoded.encode("ascii")).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        _reject(provider, "token malformed")
    if "crit" in header:  # RFC 7515 section 4.1.11: we understand no extension
        _reject(provider, "critical extension")
    return header


def _check_issuer_and_audience(provider: Provider, claims: Claims, expected: Expected) -> None:
    if claims.get("iss") != provider.issuer:
        _reject(provider, "issuer")
    audience, party = claims.get("aud"), claims.get("azp")
    listed = audience if isinstance(audience, list) else [audience]
    if not any(own in listed for own in expected.audiences):
        _reject(provider, "audience")
    if len(listed) > 1 and party is None:
        _reject(provider, "several audiences without an authorized party")
    if party is not None and party not in (*expected.audiences, provider.client_id):
        _reject(provider, "authorized party")


def _check_nonce(provider: Provider, nonce: object, expected: str | None) -> None:
    if not isinstance(nonce, str) or (
        expected is not None and not crypto.constant_time_equal(nonce, expected)
    ):
        _reject(provider, "nonce")


def _check_times(provider: Provider, claims: Claims) -> None:
    """Check `exp`, `iat` and `nbf`; a value that is no number is in no range."""
    now = clock.unix_time()
    if not _is_between(now - LEEWAY, claims.get("exp"), float("inf")):
        _reject(provider, "expired")
    if not _is_between(now - MAX_AGE, claims.get("iat"), now + LEEWAY):
        _reject(provider, "time of issue")
    if not _is_between(0, claims.get("nbf", now), now + LEEWAY):
        _reject(provider, "not valid yet")


def _is_between(start: float, value: object, end: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and start < value <= end


def _check_hash(provider: Provider, given: object, access_token: str, algorithm: str) -> None:
    """Compare the hash of the access token (section 3.1.3.6)."""
    digest = hashlib.new(f"sha{algorithm[2:]}", access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if given != half:
        _reject(provider, "hash of the access token")


def _reject(provider: Provider, reason: str) -> NoReturn:
    raise ProviderRejected(provider=provider.name, reason=f"id token: {reason}")
