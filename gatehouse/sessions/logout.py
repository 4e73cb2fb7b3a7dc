"""Log out: find the session of a request and end it, the other sessions, or all of them."""

from dataclasses import replace
from uuid import UUID

from gatehouse.core.errors import ApiError
from gatehouse.database.session import write_transaction
from gatehouse.sessions import live_session, request_credentials
from gatehouse.sessions import service as sessions
from gatehouse.sessions.guards import require_own_session
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenMissing
from gatehouse.tokens.service import AccessToken, RefreshToken
from gatehouse.web.request_context import RequestContext, set_actor

LOCAL, OTHERS, GLOBAL = "local", "others", "global"


def log_out(scope: str, access: str | None, refresh: str | None, context: RequestContext) -> None:
    """End the session of the access token, else of the refresh token.

    To end other sessions takes the access token.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: there is no valid token for this.
    """
    if scope == LOCAL:
        found = _verify_any_token(access, refresh)
        context = replace(context, actor=request_credentials.get_actor(found))
        end_one_session(UUID(found.sid), "logout", context)
    else:
        end_many_sessions(scope, _verify_access_token(access), context)


def end_one_session(session_id: UUID, reason: str, context: RequestContext) -> None:
    """End a session, in a write transaction of its own."""
    with write_transaction():
        sessions.end_session(session_id, reason, context)


def end_many_sessions(scope: str, caller: AccessToken, context: RequestContext) -> None:
    """End the caller's sessions: all of them, or all but this one.

    Raises:
        ImpersonationNotAllowed: an administrator acts as the user.
    """
    require_own_session(caller)
    keep = UUID(caller.sid) if scope == OTHERS else None
    context = context.authenticated_as(UUID(caller.sub))
    with write_transaction():
        live_session.lock_live_session(caller)
        sessions.end_all_sessions(UUID(caller.sub), f"logout_{scope}", context, keep=keep)


def _verify_access_token(access: str | None) -> AccessToken:
    if access is None:
        raise TokenMissing
    found = tokens.verify_access(access)
    set_actor(request_credentials.get_actor(found))
    return found


def _verify_any_token(access: str | None, refresh: str | None) -> AccessToken | RefreshToken:
    try:
        return _verify_access_token(access)
    except ApiError:
        if refresh is None:
            raise
    return tokens.verify_refresh(refresh)
