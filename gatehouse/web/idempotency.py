"""`Idempotency-Key`: a repeated request has no second effect and gets the same response.

The key's row is written in the transaction of the effect, so a crash leaves neither, and a failed
request leaves no row. Tokens in the response are stored encrypted; see docs/decisions/0018.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response, jsonify, request
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.errors import ApiError
from gatehouse.database import refunds
from gatehouse.database.session import db, end_transaction, write_transaction
from gatehouse.web import rate_limits
from models import IdempotencyKey

RETENTION = timedelta(hours=24)
KEY_FORMAT = re.compile(r"[\x21-\x7e]{1,64}")
MIN_UNGUESSABLE_LENGTH = 22  # 128 bits in base64url
PUBLIC_MEMBERS, ENCRYPTED_MEMBERS = "told", "sealed"
"""Keys of the JSON column `response`; stored data, so they keep their spelling."""

Route = TypeVar("Route", bound=Callable[..., Any])


class IdempotencyKeyInvalid(ApiError):
    """`Idempotency-Key` must be 1 to 64 visible ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyKeyTooShort(ApiError):
    """Without an access token, `Idempotency-Key` must have at least 22 characters."""

    status = 422
    code = "idempotency_key_too_short"
    next = "Send a random key, such as a UUID: who knows the key can read the response again."


class IdempotencyKeyReused(ApiError):
    """This `Idempotency-Key` was used before with another body; use a new key for a new request."""

    status = 422
    code = "idempotency_key_reused"


KEY_ERRORS = (IdempotencyKeyInvalid, IdempotencyKeyTooShort, IdempotencyKeyReused)


@dataclass(frozen=True)
class RequestKey:
    """Digests of a request under every secret key, the active one first."""

    digests: Sequence[str]
    """Of the idempotency key, the route and the caller."""
    body_digests: Sequence[str]
    """Of the body and the (never stored) key: a body may contain a password."""
    is_guessable: bool
    """Whether another client of the network could send the same key."""


def idempotent(*secret_members: str) -> Callable[[Route], Route]:
    """Execute a route once per `Idempotency-Key`; the key is stored in the route's transaction.

    Place it directly above `response`. `secret_members` are the members of the response that are
    tokens: they are stored encrypted.
    """

    def decorate_route(route: Route) -> Route:
        @wraps(route)
        def wrapper(*args: object, **kwargs: object) -> Response:
            key = _read_key(args)
            return _run_once(key, secret_members, lambda: route(*args, **kwargs))

        error_types = getattr(route, "error_types", ())
        error_types = (*error_types, *KEY_ERRORS)
        wrapper.error_types = error_types  # type: ignore[attr-defined]
        wrapper.idempotent = True  # type: ignore[attr-defined]
        wrapper.stores_response = True  # type: ignore[attr-defined]
        return cast(Route, wrapper)

    return decorate_route


def idempotent_parts(route: Route) -> Route:
    """Mark a route that has its effect in parts, each with `run_part_once`."""
    known = getattr(route, "error_types", ())
    route.error_types = (*known, *KEY_ERRORS)  # type: ignore[attr-defined]
    route.idempotent = True  # type: ignore[attr-defined]
    return route


def run_part_once(caller: object, part: str, effect: Callable[[], object]) -> None:
    """Run a part of a request, unless the same request has run it before.

    The key of the part is stored with the effect, in the current transaction, so that a request
    which was interrupted continues where it was. That transaction must begin with a lock that
    other requests of the caller wait for.

    Raises:
        IdempotencyKeyReused: the key was used with another body.
    """
    key = _read_key((caller,), part)
    with write_transaction():
        if key is None:
            effect()
        elif _find_row(key) is None:
            effect()
            _store_response(key, jsonify({}), ())


def purge_expired_keys() -> None:
    """Delete expired keys (after 24 hours)."""
    db.session.execute(delete(IdempotencyKey).where(IdempotencyKey.expires_at <= clock.now()))


def _read_key(arguments: tuple[object, ...], *parts: str) -> RequestKey | None:
    """Return the key of the request, or of a part of it; None if it has none.

    Raises:
        IdempotencyKeyInvalid: the header does not match `KEY_FORMAT`.
    """
    header = request.headers.get(rate_limits.IDEMPOTENCY_HEADER)
    if header is None:
        return None
    if not KEY_FORMAT.fullmatch(header):
        raise IdempotencyKeyInvalid
    endpoint = request.endpoint or ""
    label = crypto_labels.IDEMPOTENT_ENDPOINTS.get(endpoint, endpoint)
    user_id = _find_user_id(arguments)
    scoped_key = "\0".join((header, label, user_id or rate_limits.network_key(), *parts))
    body = request.get_data(cache=True).decode(errors="replace")
    digests = crypto.keyed_digests(crypto_labels.IDEMPOTENCY_KEY, scoped_key)
    body_digests = crypto.keyed_digests(crypto_labels.IDEMPOTENCY_BODY, f"{scoped_key}\0{body}")
    is_guessable = user_id is None and len(header) < MIN_UNGUESSABLE_LENGTH
    return RequestKey(digests, body_digests, is_guessable)


def _find_user_id(arguments: tuple[object, ...]) -> str | None:
    """Return the authenticated user's id, if a guard passed a token."""
    return next((argument.sub for argument in arguments if hasattr(argument, "sub")), None)


def _run_once(
    key: RequestKey | None, secret_members: Sequence[str], view: Callable[[], Response]
) -> Response:
    """Execute the view and store its response, or return the stored one.

    Of concurrent requests with one key a single one inserts it; the others wait for that
    transaction, are rolled back and return its response. A repetition uses up no rate limit.

    Raises:
        RateLimitExceeded: a new request, over a rate limit.
        IdempotencyKeyTooShort: a new key, without a user, that other clients could guess.
        IdempotencyKeyReused: the key was used with another body.
    """
    if stored := _find_response(key):
        refunds.give_back_hits()
        return stored
    rate_limits.require_limit_left()
    if key and key.is_guessable:
        raise IdempotencyKeyTooShort
    try:
        response = view()
        if key:
            _store_response(key, response, secret_members)
        db.session.flush()
    except (ApiError, IntegrityError):
        db.session.rollback()
        if stored := _find_response(key):
            refunds.give_back_hits()
            return stored
        raise
    return response


def _find_response(key: RequestKey | None) -> Response | None:
    """Return the stored response of this key, or None.

    Raises:
        IdempotencyKeyReused: the key was used with another body.
    """
    if key is None:
        return None
    row = _find_row(key)
    end_transaction()
    return _replay_response(row) if row else None


def _find_row(key: RequestKey) -> IdempotencyKey | None:
    matching = select(IdempotencyKey).where(IdempotencyKey.key.in_(key.digests))
    row = db.session.scalar(matching.where(IdempotencyKey.expires_at > clock.now()).limit(1))
    if row and row.body_digest not in key.body_digests:
        raise IdempotencyKeyReused
    return row


def _store_response(key: RequestKey, response: Response, secret_members: Sequence[str]) -> None:
    """Add the key and its response to the current transaction."""
    public = dict(response.get_json())
    secrets = {name: public.pop(name) for name in secret_members if name in public}
    encrypted = {name: _encrypt_member(value, key.digests[0]) for name, value in secrets.items()}
    row = IdempotencyKey(key=key.digests[0], body_digest=key.body_digests[0])
    row.status, row.expires_at = response.status_code, clock.now() + RETENTION
    row.response = {PUBLIC_MEMBERS: public, ENCRYPTED_MEMBERS: encrypted}
    with write_transaction():
        stale = delete(IdempotencyKey).where(IdempotencyKey.key == row.key)
        db.session.execute(stale.where(IdempotencyKey.expires_at <= clock.now()))
        db.session.add(row)


def _replay_response(row: IdempotencyKey) -> Response:
    stored = row.response or {PUBLIC_MEMBERS: {}, ENCRYPTED_MEMBERS: {}}
    encrypted = stored[ENCRYPTED_MEMBERS]
    secrets = {name: _decrypt_member(value, row.key) for name, value in encrypted.items()}
    response = jsonify(stored[PUBLIC_MEMBERS] | secrets)
    response.status_code = row.status or 200
    return response


def _encrypt_member(value: str, key: str) -> str:
    return base64.b64encode(crypto.encrypt(value.encode(), _associated_data(key))).decode()


def _decrypt_member(value: str, key: str) -> str:
    """Decrypt a member of a stored response.

    Raises:
        IdempotencyKeyReused: its encryption key was removed; the client needs a new request.
    """
    try:
        return crypto.decrypt(base64.b64decode(value), _associated_data(key)).decode()
    except crypto.DecryptionFailed:
        raise IdempotencyKeyReused from None


def _associated_data(key: str) -> str:
    return crypto_labels.column_data(crypto_labels.IDEMPOTENT_RESPONSE, key)
