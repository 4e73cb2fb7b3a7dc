"""`Idempotency-Key`: a request that is sent again sends nothing again.

The key's row shares the transaction of the effect, so a crash leaves neither, and a refused request
leaves no row. What is stored holds no token; see docs/decisions/0018.
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
from sqlalchemy.event import listens_for
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gatehouse.core import clock, crypto
from gatehouse.core.errors import Refusal
from gatehouse.database.session import db, release, writing
from gatehouse.web import rate_limits
from models import IdempotencyKey

KEPT = timedelta(hours=24)
HEADER = "Idempotency-Key"
VISIBLE = re.compile(r"[\x21-\x7e]{1,64}")

Route = TypeVar("Route", bound=Callable[..., Any])


class IdempotencyKeyInvalid(Refusal):
    """`Idempotency-Key` must be 1 to 64 visible ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(Refusal):
    """This `Idempotency-Key` came with another body before; take a new one for a new request."""

    status = 422
    code = "idempotency_key_reused"


@dataclass(frozen=True)
class Key:
    """What a key is kept by, under each of the secret keys, the active one first."""

    digests: Sequence[str]
    """Of the key, its route and its caller."""
    bodies: Sequence[str]
    """Of the body: bound to the key, which is not stored, for a body may hold a password."""


def idempotent(*secrets: str) -> Callable[[Route], Route]:
    """Let a route act once for each `Idempotency-Key`, and commit what it did.

    It stands right above `response`, and the route leaves the commit to it. `secrets` are the
    members of the answer that are tokens: they are kept sealed.
    """

    def mark(route: Route) -> Route:
        @wraps(route)
        def once(*arguments: Any, **named: Any) -> Response:
            key = _key(arguments)
            return _once(key, secrets, lambda: _done(route(*arguments, **named)))

        known = getattr(route, "refusals", ())
        kinds = (IdempotencyKeyInvalid, IdempotencyKeyReused)
        once.refusals = (*known, *kinds)  # type: ignore[attr-defined]
        once.idempotent = True  # type: ignore[attr-defined]
        return cast(Route, once)

    return mark


def purge() -> None:
    """Delete the keys that are a day old."""
    db.session.execute(delete(IdempotencyKey).where(IdempotencyKey.expires_at <= clock.now()))


def _key(arguments: tuple[Any, ...]) -> Key | None:
    """Return the key of the request, or None where it has none.

    Raises:
        IdempotencyKeyInvalid: it is not as it must be.
    """
    sent = request.headers.get(HEADER)
    if sent is None:
        return None
    if not VISIBLE.fullmatch(sent):
        raise IdempotencyKeyInvalid
    place = "\0".join((sent, request.endpoint or "", _caller(arguments)))
    body = request.get_data(cache=True).decode(errors="replace")
    digests = crypto.keyed_digests("idempotency key", place)
    return Key(digests, crypto.keyed_digests("idempotency body", f"{place}\0{body}"))


def _caller(arguments: tuple[Any, ...]) -> str:
    """Return who is signed in, where a guard has told, else the network."""
    people = (argument.sub for argument in arguments if hasattr(argument, "sub"))
    return next(people, None) or rate_limits.network()


def _done(answer: Response) -> Response:
    """Return the answer of a route that left its commit to us."""
    if db.session.info.pop("committed", False) and not db.session.info.get("writing"):
        raise RuntimeError("an idempotent route leaves its commit to the decorator")
    return answer


def _once(key: Key | None, secrets: Sequence[str], act: Callable[[], Response]) -> Response:
    """Act and commit, or repeat what was answered.

    Of requests that arrive together one acts; what the others did is undone, and they answer the
    same.
    """
    if stored := _find(key):
        return stored
    try:
        answer = act()
        if key:
            _keep(key, answer, secrets)
        db.session.commit()
    except (Refusal, IntegrityError):
        db.session.rollback()
        if stored := _find(key):
            return stored
        raise
    return answer


def _find(key: Key | None) -> Response | None:
    """Return what was answered to this key before.

    Raises:
        IdempotencyKeyReused: the body was another one.
    """
    db.session.info.pop("committed", None)
    if key is None:
        return None
    kept = select(IdempotencyKey).where(IdempotencyKey.key.in_(key.digests))
    row = db.session.scalar(kept.where(IdempotencyKey.expires_at > clock.now()).limit(1))
    release()
    if row is None:
        return None
    if row.body_digest not in key.bodies:
        raise IdempotencyKeyReused
    return _repeated(row)


def _keep(key: Key, answer: Response, secrets: Sequence[str]) -> None:
    """Add the key with its answer to the transaction of the effect."""
    told = dict(answer.get_json())
    hidden = {name: told.pop(name) for name in secrets if name in told}
    sealed = {name: _sealed(value, key.digests[0]) for name, value in hidden.items()}
    row = IdempotencyKey(key=key.digests[0], body_digest=key.bodies[0])
    row.status, row.expires_at = answer.status_code, clock.now() + KEPT
    row.answer = {"told": told, "sealed": sealed}
    with writing():
        stale = delete(IdempotencyKey).where(IdempotencyKey.key == row.key)
        db.session.execute(stale.where(IdempotencyKey.expires_at <= clock.now()))
        db.session.add(row)


def _repeated(row: IdempotencyKey) -> Response:
    kept = row.answer or {"told": {}, "sealed": {}}
    hidden = {name: _unsealed(value, row.key) for name, value in kept["sealed"].items()}
    answer = jsonify(kept["told"] | hidden)
    answer.status_code = row.status or 200
    return answer


def _sealed(value: str, key: str) -> str:
    return base64.b64encode(crypto.seal(value.encode(), _place(key))).decode()


def _unsealed(value: str, key: str) -> str:
    """Open a member of an answer.

    Raises:
        IdempotencyKeyReused: its encryption key has left the ring: only a new request can help.
    """
    try:
        return crypto.unseal(base64.b64decode(value), _place(key)).decode()
    except crypto.SealBroken:
        raise IdempotencyKeyReused from None


def _place(key: str) -> str:
    return f"idempotency_keys.answer:{key}"


@listens_for(Session, "after_commit")
def _note_commit(session: Session) -> None:
    session.info["committed"] = True
