"""Writes on behalf of a session: each begins by locking the live session."""

from uuid import UUID

from sqlalchemy import bindparam, select

from gatehouse.core import clock
from gatehouse.database.session import advisory_lock, db
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.users import service as users
from models import Session, User

LOCK_LIVE_SESSION = (
    select(Session.id)
    .join(User)
    .where(Session.id == bindparam("session_id"), Session.user_id == bindparam("user_id"))
    .where(Session.ended_at.is_(None), User.disabled_at.is_(None))
    .where(Session.expires_at > bindparam("now"), Session.idle_at > bindparam("now"))
    .with_for_update(of=Session, key_share=True)
)


def lock_live_session(caller: SessionRef) -> None:
    """Lock the caller's user and session at the beginning of a write on the session's behalf.

    What ends a session locks it, too: either it waits for this write, or the write fails. The
    user's lock comes first, as in every flow.

    Raises:
        SessionEnded: the session has ended or reached a limit, or the account is disabled.
    """
    user_id, session_id = UUID(caller.sub), UUID(caller.sid)
    advisory_lock(users.lock_key(user_id))
    parameters = {"session_id": session_id, "user_id": user_id, "now": clock.now()}
    if db.session.execute(LOCK_LIVE_SESSION, parameters).first() is None:
        raise SessionEnded(user_id=user_id, session_id=session_id)
