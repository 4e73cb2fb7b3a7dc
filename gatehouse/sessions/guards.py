"""Guards of routes: who may go on."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import request

from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked

Route = TypeVar("Route", bound=Callable[..., Any])


def bearer() -> str:
    """Return the token of `Authorization: Bearer ...` (RFC 6750 section 2.1); never from the URL.

    Raises:
        TokenMissing: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenMissing
    return token.strip()


def bearer_or_none() -> str | None:
    """Return the bearer token, if one was sent."""
    try:
        return bearer()
    except TokenMissing:
        return None


def signed_in(route: Route) -> Route:
    """Let only people with a live access token pass; the route gets it as its first argument."""

    @wraps(route)
    def guarded(*arguments: Any, **named: Any) -> Any:
        return route(tokens.verify_access(bearer()), *arguments, **named)

    known = getattr(route, "refusals", ())
    guarded.refusals = (*known, TokenMissing, TokenInvalid, TokenExpired, TokenRevoked)  # type: ignore[attr-defined]
    guarded.guarded = True  # type: ignore[attr-defined]
    return cast(Route, guarded)
