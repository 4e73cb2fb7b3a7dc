"""Sessions of applications: they end with the user's session, or with the user's access.

Here end grants, and with them their codes and tokens; the clients that want to know it are notified
by logout tokens (see `logout_queue`). The rules are in docs/decisions/0056.
"""

from uuid import UUID

from sqlalchemy import or_

from gatehouse.core.events import CredentialChanged, SessionEnded, UserDisabled
from gatehouse.oauth import grant_lifecycle, logout_queue
from gatehouse.web.request_context import RequestContext
from models import OAuthGrant

SESSION_ENDED = "session_ended"


def end_grants_of_session(event: SessionEnded[RequestContext]) -> None:
    """End the grants of an ended session, and notify all clients that were used in it.

    Offline access outlives the session (OpenID Connect Core section 11): its client is notified.
    """
    session_id = event.session_id
    is_of_session = or_(
        OAuthGrant.session_id == session_id, OAuthGrant.authorized_session_id == session_id
    )
    found = grant_lifecycle.lock_grants(is_of_session)
    logout_queue.queue_notifications(found)
    bound = [grant for grant in found if grant.session_id == session_id]
    grant_lifecycle.end_grants(bound, SESSION_ENDED, event.context)


def end_grants_of_disabled_user(event: UserDisabled[RequestContext]) -> None:
    """End all grants of a user who was disabled or deleted, offline access included."""
    end_grants_of_user(event.user_id, event.reason, event.context)


def end_grants_after_change(event: CredentialChanged[RequestContext]) -> None:
    """End the grants that were authorized with a credential from before its change.

    Those of the session that is kept stay with it, but its offline access ends.
    """
    end_grants_of_user(event.user_id, event.reason, event.context, event.kept_session)


def end_grants_of_user(
    user_id: UUID, reason: str, context: RequestContext, kept_session: UUID | None = None
) -> None:
    """End the grants of a user, except those of one session, and notify their clients."""
    conditions = [OAuthGrant.user_id == user_id, OAuthGrant.ended_at.is_(None)]
    if kept_session:
        is_offline = OAuthGrant.session_id.is_(None)
        conditions.append(or_(is_offline, OAuthGrant.session_id != kept_session))
    found = grant_lifecycle.lock_grants(*conditions)
    logout_queue.queue_notifications(found)
    grant_lifecycle.end_grants(found, reason, context)
