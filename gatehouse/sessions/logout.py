"""Logging out: which session a request means, and which of them it may end."""

from uuid import UUID

from gatehouse.core.errors import Refusal
from gatehouse.database.session import writing
from gatehouse.sessions import service as sessions
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenMissing
from gatehouse.tokens.service import AccessToken
from gatehouse.web.request_context import Visitor

LOCAL, OTHERS, GLOBAL = "local", "others", "global"


def log_out(scope: str, access: str | None, refresh: str | None, visitor: Visitor) -> None:
    """End the session of the access token, else of the refresh token; others need the former.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: neither token is good for it.
    """
    if scope == LOCAL:
        end_one(_session_of(access, refresh), "logout", visitor)
    else:
        end_many(scope, _caller(access), visitor)


def end_one(session_id: UUID, reason: str, visitor: Visitor) -> None:
    """End a session, in the one write transaction of the request."""
    with writing():
        sessions.end(session_id, reason, visitor)


def end_many(scope: str, caller: AccessToken, visitor: Visitor) -> None:
    """End the caller's sessions: all of them, or all but this one."""
    keep = UUID(caller.sid) if scope == OTHERS else None
    with writing():
        sessions.end_all(UUID(caller.sub), f"logout_{scope}", visitor, keep=keep)


def _caller(access: str | None) -> AccessToken:
    if access is None:
        raise TokenMissing
    return tokens.verify_access(access)


def _session_of(access: str | None, refresh: str | None) -> UUID:
    try:
        return UUID(_caller(access).sid)
    except Refusal:
        if refresh is None:
            raise
    return UUID(tokens.verify_refresh(refresh).sid)
