"""Guards of routes: who may go on."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast, overload
from uuid import UUID

from gatehouse.core import clock
from gatehouse.sessions import assurance, csrf, request_credentials, step_up
from gatehouse.sessions import service as sessions
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.request_credentials import Holder
from gatehouse.tokens import service as tokens
from gatehouse.tokens.service import AccessToken
from gatehouse.web import cookies

Route = TypeVar("Route", bound=Callable[..., Any])
RECENT = timedelta(minutes=10)
"""How old the proof of who one is may be where an account's ways in are changed."""


def signed_in(route: Route) -> Route:
    """Let only people with a live access token pass; the route gets it as its first argument."""

    @wraps(route)
    def guarded(*arguments: Any, **named: Any) -> Any:
        return route(caller(), *arguments, **named)

    known = getattr(route, "refusals", ())
    guarded.refusals = (*known, *request_credentials.NOBODY)  # type: ignore[attr-defined]
    guarded.guarded = True  # type: ignore[attr-defined]
    return cast(Route, csrf.takes_bearer(guarded))


@overload
def recently_signed_in(route: Route) -> Route: ...
@overload
def recently_signed_in(
    *, level: str = assurance.AAL1, max_age: timedelta = RECENT
) -> Callable[[Route], Route]: ...
def recently_signed_in(
    route: Any = None, *, level: str = assurance.AAL1, max_age: timedelta = RECENT
) -> Any:
    """Let only people pass who proved who they are in the last ten minutes (ASVS V7.5.1).

    Plain, or with another age and the level that the operation needs, as in
    `@recently_signed_in(level="aal2")`.
    """
    if route is None:
        return lambda route: _recent(route, level, max_age)
    return _recent(route, level, max_age)


def _recent(route: Route, level: str, max_age: timedelta) -> Route:
    @wraps(route)
    def guarded(caller: AccessToken, *arguments: Any, **named: Any) -> Any:
        require_recent(caller, level, max_age)
        return route(caller, *arguments, **named)

    known = getattr(route, "refusals", ())
    guarded.refusals = (*known, InsufficientUserAuthentication)  # type: ignore[attr-defined]
    return signed_in(cast(Route, guarded))


def require_recent(
    caller: AccessToken, level: str = assurance.AAL1, max_age: timedelta = RECENT
) -> None:
    """Return if the caller is signed in at a level, and proved it lately enough.

    At AAL2 that is the second factor: a password given since then does not make it newer.

    Raises:
        InsufficientUserAuthentication: they are not; it says what is wanted (RFC 9470).
    """
    age = int(max_age.total_seconds())
    refusal = InsufficientUserAuthentication(age, max(level, caller.acr))
    if clock.seconds() - caller.auth_time > age or caller.acr < level:
        raise refusal
    if level == assurance.AAL2:
        raised_at = step_up.raised_since(UUID(caller.sid))
        if raised_at is None or clock.now() - raised_at > max_age:
            raise refusal


def caller() -> AccessToken:
    """Return who sent the request: the bearer token alone tells, else the access cookie.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: nobody who is signed in.
        CsrfFailed: it is a write, and perhaps not the wish of whose cookie it is.
    """
    if cookies.has_bearer():
        return tokens.verify_access(request_credentials.bearer())
    found = request_credentials.access_cookie()
    csrf.protect(found)
    return found


def browser() -> Holder:
    """Return whose the cookies of the request are, by the access cookie or by the refresh cookie.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, SessionEnded: nobody's, any more.
        CsrfFailed: it is a write, and perhaps not the wish of whose cookies they are.
    """
    found = request_credentials.holder()
    sessions.require_live(UUID(found.sid))
    csrf.protect(found)
    return found


def refresh_cookie() -> str:
    """Return the refresh cookie of a request that its owner wished to send.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired: there is none that is good.
        CsrfFailed: perhaps somebody else wished it.
    """
    encoded = request_credentials.refresh_cookie()
    csrf.protect(tokens.verify_refresh(encoded))
    return encoded
