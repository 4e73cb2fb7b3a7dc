"""Who sends a form of our pages: the caller as the row of the browser's session describes it.

Forms are sent with the refresh cookie, too, so they work when the access cookie has expired. Level
and time of the authentication are those of the session now, not of when a token was issued.
"""

from uuid import UUID

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.sessions import assurance, step_up
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.tokens.service import AccessToken
from models import Session


def describe_caller(ref: SessionRef) -> AccessToken:
    """Return the caller of a session; it has no roles, so it opens no administration.

    Raises:
        SessionEnded: there is no such session of this user.
    """
    session = db.session.get(Session, UUID(ref.sid))
    if session is None or str(session.user_id) != ref.sub:
        raise SessionEnded(session_id=UUID(ref.sid))
    now = clock.now()
    return AccessToken(
        sub=ref.sub,
        sid=ref.sid,
        jti="",
        iat=int(now.timestamp()),
        exp=int(session.expires_at.timestamp()),
        auth_time=int(session.authenticated_at.timestamp()),
        amr=tuple(session.amr),
        acr=assurance.AAL2 if step_up.is_aal2(session, now) else assurance.AAL1,
        roles=(),
        scope="",
        versions=(),
        actor_id=str(session.actor_id) if session.actor_id else None,
    )
