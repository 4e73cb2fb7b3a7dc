"""Authenticate requests: decorators and functions for routes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial, wraps
from typing import Any, TypeAlias, TypeVar, cast, overload
from uuid import UUID

from flask import current_app, request

from gatehouse.authorization import delegation
from gatehouse.authorization.errors import Forbidden
from gatehouse.core import clock
from gatehouse.database.session import add_check_before_writes, check_before_writes
from gatehouse.service_accounts import key_verification
from gatehouse.service_accounts.errors import PersonRequired
from gatehouse.service_accounts.key_memory import KnownKey
from gatehouse.sessions import assurance, csrf, live_session, request_credentials, step_up
from gatehouse.sessions import service as sessions
from gatehouse.sessions.errors import (
    ImpersonationNotAllowed,
    InsufficientUserAuthentication,
    SessionEnded,
)
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenMissing
from gatehouse.tokens.service import AccessToken, RefreshToken
from gatehouse.tokens.worker_state import LEEWAY
from gatehouse.web import cookies
from gatehouse.web.openapi_operations import ALLOWED_TO_IMPERSONATORS
from gatehouse.web.request_context import request_context, set_actor

Route = TypeVar("Route", bound=Callable[..., object])
Administrator: TypeAlias = AccessToken | KnownKey
"""Who uses a route of administration: a user with a role, or a service account with a key."""
RECENT = timedelta(minutes=10)
"""Maximum age of the authentication where credentials or contact data are changed."""


def signed_in(route: Route) -> Route:
    """Require a valid access token and pass it to the route as the first argument.

    Until it expires, or its revocation has reached this worker, the token of an ended session is
    valid. So each write transaction begins by locking the live session.
    """

    @wraps(route)
    def guarded(*arguments: object, **named: object) -> object:
        return route(authenticate_caller(), *arguments, **named)

    known = getattr(route, "error_types", ())
    guarded.error_types = (  # type: ignore[attr-defined]
        *known,
        *request_credentials.NOT_AUTHENTICATED,
        SessionEnded,
    )
    guarded.guarded = True  # type: ignore[attr-defined]
    guarded.write_error_types = (ImpersonationNotAllowed,)  # type: ignore[attr-defined]
    return cast(Route, csrf.accepts_bearer(guarded))


def require_own_session(caller: AccessToken) -> None:
    """Require that the user acts, and no administrator as the user.

    Raises:
        ImpersonationNotAllowed: an administrator does.
    """
    if caller.actor_id:
        raise ImpersonationNotAllowed(user_id=UUID(caller.sub), session_id=UUID(caller.sid))


def _require_allowed_to_impersonators(caller: AccessToken) -> None:
    """Let an administrator who acts as a user read only, except in routes that are marked."""
    view = current_app.view_functions.get(request.endpoint or "")
    if request.method not in csrf.SAFE_METHODS and not hasattr(view, ALLOWED_TO_IMPERSONATORS):
        require_own_session(caller)


@overload
def recently_signed_in(route: Route) -> Route: ...
@overload
def recently_signed_in(
    *, level: str = assurance.AAL1, max_age: timedelta = RECENT
) -> Callable[[Route], Route]: ...
def recently_signed_in(
    route: Any = None, *, level: str = assurance.AAL1, max_age: timedelta = RECENT
) -> object:
    """Require an authentication in the last ten minutes (ASVS V7.5.1).

    Use it plain, or with another age or level, as in `@recently_signed_in(level="aal2")`.
    """
    if route is None:
        return lambda route: _require_recent_sign_in(route, level, max_age)
    return _require_recent_sign_in(route, level, max_age)


def _require_recent_sign_in(route: Route, level: str, max_age: timedelta) -> Route:
    @wraps(route)
    def guarded(caller: AccessToken, *arguments: object, **named: object) -> object:
        require_recent_authentication(caller, level, max_age)
        return route(caller, *arguments, **named)

    known = getattr(route, "error_types", ())
    guarded.error_types = (*known, InsufficientUserAuthentication)  # type: ignore[attr-defined]
    guarded.needs_recent_sign_in = True  # type: ignore[attr-defined]
    return signed_in(cast(Route, guarded))


def require_recent_authentication(
    caller: AccessToken, level: str = assurance.AAL1, max_age: timedelta = RECENT
) -> None:
    """Require a level and a recent authentication of the caller.

    At AAL2 the age is that of the second factor: a later password alone does not renew it. Nor is
    an authentication recent that is in the future, because the clock was set back since.

    Raises:
        InsufficientUserAuthentication: it names the level and age required (RFC 9470).
        ImpersonationNotAllowed: an administrator acts as the user, who has not authenticated.
    """
    require_own_session(caller)
    error = InsufficientUserAuthentication(int(max_age.total_seconds()), max(level, caller.acr))
    authenticated_at = clock.UNIX_EPOCH + timedelta(seconds=caller.auth_time)
    if caller.acr < level or not _is_recent(authenticated_at, max_age):
        raise error
    if level == assurance.AAL2:
        stepped_up_at = step_up.get_aal2_authenticated_at(UUID(caller.sid))
        if stepped_up_at is None or not _is_recent(stepped_up_at, max_age):
            raise error


def _is_recent(authenticated_at: datetime, max_age: timedelta) -> bool:
    return -timedelta(seconds=LEEWAY) <= clock.now() - authenticated_at <= max_age


def requires(permission: str, *, people_only: bool = False) -> Callable[[Route], Route]:
    """Require a permission: of a user with a second factor and a recent sign-in, or of an API key.

    A write checks the permission again in its transaction, because the token may be older than the
    loss of a role. `people_only` rejects API keys, which cannot confirm anything.
    """
    return lambda route: _require_permission(route, permission, people_only)


def _require_permission(route: Route, permission: str, people_only: bool) -> Route:
    @wraps(route)
    def guarded(*arguments: object, **named: object) -> object:
        encoded = request_credentials.bearer_token_or_none()
        if encoded is None or not tokens.is_api_key(encoded):
            return route(_authenticate_administrator(permission), *arguments, **named)
        return route(_authenticate_key(encoded, permission, people_only), *arguments, **named)

    person = (*request_credentials.NOT_AUTHENTICATED, SessionEnded, InsufficientUserAuthentication)
    key = (*key_verification.REJECTIONS, *((PersonRequired,) if people_only else ()))
    denied = (Forbidden, ImpersonationNotAllowed)
    errors = (*getattr(route, "error_types", ()), *denied, *person, *key)
    guarded.error_types = errors  # type: ignore[attr-defined]
    guarded.permission = permission  # type: ignore[attr-defined]
    guarded.guarded = True  # type: ignore[attr-defined]
    guarded.accepts_api_keys = not people_only  # type: ignore[attr-defined]
    return cast(Route, csrf.accepts_bearer(guarded))


def _authenticate_administrator(permission: str) -> AccessToken:
    caller = authenticate_caller()
    require_own_session(caller)
    if permission not in caller.scope.split():
        raise Forbidden(user_id=UUID(caller.sub), permission=permission)
    require_recent_authentication(caller, assurance.AAL2)
    if request.method not in csrf.SAFE_METHODS:
        check_before_writes(partial(_lock_administrator, caller, permission))
    return caller


def _authenticate_key(encoded: str, permission: str, people_only: bool) -> KnownKey:
    key = key_verification.verify_limited(encoded, request_context())
    set_actor(key.actor)
    if people_only:
        raise PersonRequired
    if permission not in key.permissions:
        raise Forbidden(permission=permission)
    if request.method not in csrf.SAFE_METHODS:
        key_verification.check_key_before_writes(key, permission)
    return key


def require_further_permission(
    caller: Administrator, permission: str, *, people_only: bool = False
) -> None:
    """Require one more permission in a route with `requires`, now and at each write.

    Raises:
        Forbidden: the caller does not have it.
        PersonRequired: the caller is an API key, and `people_only` rejects these.
    """
    if people_only and isinstance(caller, KnownKey):
        raise PersonRequired
    actor = caller.actor if isinstance(caller, KnownKey) else request_credentials.get_actor(caller)
    if permission not in caller.scope.split():
        raise Forbidden(user_id=actor.user_id, permission=permission)
    add_check_before_writes(partial(delegation.require_permission, actor, permission))


def _lock_administrator(caller: AccessToken, permission: str) -> None:
    _lock_administration_and_session(caller)
    delegation.require_permission(request_credentials.get_actor(caller), permission)


def lock_administration_first(caller: AccessToken) -> None:
    """Let the writes of this request begin with the lock of administration (decision 40).

    For what users do with their own account and the rules about administrators apply to.
    """
    check_before_writes(partial(_lock_administration_and_session, caller))


def _lock_administration_and_session(caller: AccessToken) -> None:
    delegation.lock_administration()
    live_session.lock_live_session(caller)


def authenticate_caller(missing: type[TokenMissing] = TokenMissing) -> AccessToken:
    """Return the verified access token of the request; its writes begin by locking its session.

    Raises:
        TokenMissing: there is none; raised as `missing`.
        TokenInvalid, TokenExpired, TokenRevoked: the request is not authenticated.
        CsrfFailed: it is a write by cookie without the CSRF token of the session.
    """
    try:
        caller = current_token()
    except TokenMissing:
        raise missing from None
    if request.method not in csrf.SAFE_METHODS:
        check_before_writes(partial(live_session.lock_live_session, caller))
    return caller


def current_token() -> AccessToken:
    """Return the verified access token of the request: the bearer token, else the cookie.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: the request is not authenticated.
        CsrfFailed: it is a write by cookie without the CSRF token of the session.
        ImpersonationNotAllowed: it is a write of an administrator who acts as the user.
    """
    if cookies.has_bearer():
        found = tokens.verify_access(request_credentials.bearer_token())
    else:
        found = request_credentials.access_cookie()
        csrf.require_csrf_token(found)
    set_actor(request_credentials.get_actor(found))
    _require_allowed_to_impersonators(found)
    return found


def current_browser_session() -> SessionRef:
    """Return the active session of the request's access cookie, else of its refresh cookie.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, SessionEnded: there is no active session.
        CsrfFailed: it is a write without the CSRF token of the session.
    """
    found = request_credentials.session_from_cookies()
    sessions.require_active_session(UUID(found.sid))
    csrf.require_csrf_token(found)
    set_actor(request_credentials.get_actor(found))
    return found


def refresh_cookie() -> RefreshToken:
    """Return the verified token of the refresh cookie, after checking the CSRF token.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired: there is no valid one.
        CsrfFailed: the CSRF token is missing or wrong.
    """
    found = tokens.verify_refresh(request_credentials.refresh_cookie())
    csrf.require_csrf_token(found)
    return found
