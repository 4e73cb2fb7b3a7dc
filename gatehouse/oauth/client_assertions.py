"""`private_key_jwt`: a client authenticates with a JWT that it signs (RFC 7523 section 3).

An assertion names this service alone as its audience, lives at most five minutes and works once.
"""

from datetime import timedelta
from typing import Any

import jwt
from flask import g
from jwt.exceptions import PyJWTError
from sqlalchemy import bindparam, delete, text

import config
from gatehouse.core import clock, crypto
from gatehouse.database.session import UTCDateTime, autonomous_transaction, db
from gatehouse.oauth import client_keys
from gatehouse.tokens.worker_state import LEEWAY
from models import OAuthClient, UsedClientAssertion

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LENGTH, MAX_JTI_LENGTH, MAX_LIFETIME = 4096, 255, 300
INSERT_USED_ASSERTION = text(
    "INSERT INTO used_client_assertions (digest, expires_at) VALUES (:digest, :expires_at)"
    " ON CONFLICT (digest) DO NOTHING RETURNING digest"
).bindparams(bindparam("expires_at", type_=UTCDateTime))
Json = dict[str, Any]


class AuthenticationFailed(Exception):
    """A client could not be authenticated; the message says why, for operators only."""


def read_client_id(assertion: str) -> str:
    """Return whom an assertion claims to be from, without verifying it; "" if it is malformed."""
    try:
        subject = _decode(assertion, None, []).get("sub")
    except AuthenticationFailed:
        return ""
    return subject if isinstance(subject, str) else ""


def verify_assertion(assertion: str, client: OAuthClient) -> None:
    """Verify an assertion of a client, and use it up, outside any transaction.

    Raises:
        AuthenticationFailed: it is not valid, or was used before.
    """
    claims = _verify_signature(assertion, client)
    settings = config.settings()
    audiences = (settings.public_url, f"{settings.public_url}/oauth2/token")
    if (claims.get("iss"), claims.get("sub")) != (client.id, client.id):
        raise AuthenticationFailed("assertion_of_another_client")
    if _sole_audience(claims) not in audiences:
        raise AuthenticationFailed("assertion_for_another_audience")
    _check_times(claims)
    _use_up(claims, client)


def purge_used_assertions() -> None:
    """Delete used assertions an hour after they expired, to tolerate clock differences."""
    expired = UsedClientAssertion.expires_at < clock.now() - clock.HOUR
    db.session.execute(delete(UsedClientAssertion).where(expired))


def _verify_signature(assertion: str, client: OAuthClient) -> Json:
    """Return the claims, which one of the registered keys has signed."""
    try:
        header = jwt.get_unverified_header(assertion)
    except PyJWTError:
        raise AuthenticationFailed("assertion_malformed") from None
    for key in client_keys.find_keys(client.jwks, header):
        try:
            return _decode(assertion, key, [header["alg"]])
        except AuthenticationFailed:
            continue
    raise AuthenticationFailed("assertion_signature")


def _decode(assertion: str, key: Any, algorithms: list[str]) -> Json:
    """Return the claims; with a key, after verifying the signature."""
    if len(assertion) > MAX_LENGTH:
        raise AuthenticationFailed("assertion_too_long")
    checks = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")  # done here, by our own clock
    options: Any = {f"verify_{name}": False for name in checks}
    options["verify_signature"] = key is not None
    try:
        claims: Json = jwt.decode(assertion, key or "", algorithms, options)
    except (PyJWTError, ValueError, RecursionError):
        raise AuthenticationFailed("assertion_malformed") from None
    return claims


def _sole_audience(claims: Json) -> object:
    """Return the audience: others that accept the same assertion could replay it here."""
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        return audience[0]
    return audience if isinstance(audience, str) else None


def _check_times(claims: Json) -> None:
    """Check `exp`, `iat` and `nbf`; a value that is no finite number is in no range."""
    now, expires_at = clock.unix_time(), claims.get("exp")
    if not _is_between(now - LEEWAY, expires_at, now + MAX_LIFETIME + LEEWAY):
        raise AuthenticationFailed("assertion_expiry")
    if not all(_is_between(0, claims.get(name, now), now + LEEWAY) for name in ("iat", "nbf")):
        raise AuthenticationFailed("assertion_not_valid_yet")


def _is_between(start: int, value: object, end: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and start < value <= end


def _use_up(claims: Json, client: OAuthClient) -> None:
    """Write the `jti` at once, whatever comes of the request.

    A request that runs again after a conflict of transactions has used its assertion already.
    """
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not 1 <= len(token_id) <= MAX_JTI_LENGTH:
        raise AuthenticationFailed("assertion_without_jti")
    digest = crypto.digest(f"{client.id}\0{token_id}")
    if g.get("used_client_assertion") == digest:
        return
    expires_at = clock.UNIX_EPOCH + timedelta(seconds=claims["exp"])
    with autonomous_transaction() as connection:
        row = {"digest": digest, "expires_at": expires_at}
        if connection.execute(INSERT_USED_ASSERTION, row).first() is None:
            raise AuthenticationFailed("assertion_replayed")
    g.used_client_assertion = digest
