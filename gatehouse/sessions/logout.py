"""Logging out: which session a request means, and which of them it may end."""

from uuid import UUID

from gatehouse.foundation.database import writing
from gatehouse.foundation.errors import Refusal
from gatehouse.foundation.visitor import Visitor
from gatehouse.sessions import service as sessions
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenMissing
from gatehouse.tokens.service import AccessToken

LOCAL, OTHERS, GLOBAL = "local", "others", "global"


def log_out(scope: str, access: str | None, refresh: str | None, visitor: Visitor) -> None:
    """End the session of the access token, else of the refresh token; others need the former.

    Raises:
        TokenMissing, TokenInvalid, TokenExpired, TokenRevoked: neither token is good for it.
    """
    if scope == LOCAL:
        session_id = _session_of(access, refresh)
        with writing():
            sessions.end(session_id, "logout", visitor)
        return
    caller = _caller(access)
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
