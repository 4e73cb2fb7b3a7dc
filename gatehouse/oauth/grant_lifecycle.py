"""The grants of clients: create one with its authorization code, and end it with all its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select

from gatehouse.audit.oauth_events import OAuth
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.tokens import revocation
from gatehouse.web.request_context import RequestContext
from models import GrantStatusEntry, OAuthClient, OAuthGrant, Session

CODE_LIFETIME = timedelta(seconds=60)
"""Ten minutes are allowed (RFC 6749 section 4.1.2); clients redeem codes at once."""


@dataclass(frozen=True)
class Approval:
    """What a user and the policy allow a client, in one session."""

    client: OAuthClient
    session: Session
    subject: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    request: dict[str, object]
    """What the code is bound to, and the ID token repeats (see `OAuthGrant.request`)."""
    offline: bool = False
    """Whether the grant outlives the session."""


def create_grant(approval: Approval, context: RequestContext) -> str:
    """Create a grant in the current transaction; return its authorization code.

    Until the code is redeemed, the grant gives nothing and is not shown.
    """
    now, code, session = clock.now(), crypto.random_token(), approval.session
    grant = OAuthGrant(id=crypto.new_id(), client_id=approval.client.id, user_id=session.user_id)
    grant.session_id = None if approval.offline else session.id
    grant.authorized_session_id = session.id
    grant.sid = _find_sid(approval) or crypto.new_id()
    grant.subject = approval.subject
    grant.scopes, grant.resources = list(approval.scopes), list(approval.resources)
    grant.authenticated_at, grant.amr, grant.acr = (
        session.authenticated_at,
        session.amr,
        session.acr,
    )
    grant.request = approval.request
    grant.code_digest, grant.code_expires_at = crypto.digest(code), now + CODE_LIFETIME
    lifetime = now + timedelta(seconds=approval.client.grant_lifetime)
    grant.expires_at = lifetime if approval.offline else min(lifetime, session.expires_at)
    grant.idle_at, grant.created_at = grant.expires_at, now
    db.session.add(grant)
    db.session.flush()
    db.session.execute(insert(GrantStatusEntry).values(grant_id=grant.id))
    record(
        OAuth.AUTHORIZED,
        context,
        user_id=grant.user_id,
        session_id=session.id,
        grant_id=str(grant.id),
        client=grant.client_id,
        scopes=grant.scopes,
    )
    return code


def end_grant(grant: OAuthGrant, reason: str, context: RequestContext) -> None:
    """End a grant and revoke its tokens, in the current transaction, which has locked it."""
    end_grants([grant], reason, context)


def end_grants(grants: Sequence[OAuthGrant], reason: str, context: RequestContext) -> None:
    """End grants and revoke their tokens, in the current transaction, which has locked them.

    The number of statements does not depend on how many there are; ended ones stay as they are.
    """
    live, now = [grant for grant in grants if not grant.ended_at], clock.now()
    if not live:
        return
    ids = [grant.id for grant in live]
    indexes = select(GrantStatusEntry.grant_id, GrantStatusEntry.status_index)
    found = db.session.execute(indexes.where(GrantStatusEntry.grant_id.in_(ids)))
    known = {row.grant_id: row.status_index for row in found}
    revocation.revoke_grants({grant_id: known.get(grant_id) for grant_id in ids})
    for grant in live:
        grant.ended_at, grant.end_reason = now, reason
        _record_end(grant, reason, context)


def _record_end(grant: OAuthGrant, reason: str, context: RequestContext) -> None:
    record(
        OAuth.GRANT_ENDED,
        context,
        user_id=grant.user_id,
        session_id=grant.session_id,
        grant_id=str(grant.id),
        client=grant.client_id,
        reason=reason,
    )


def lock_grant(grant_id: UUID) -> OAuthGrant | None:
    """Lock a grant until the end of the transaction, and return it as it is now."""
    return db.session.get(OAuthGrant, grant_id, with_for_update=True, populate_existing=True)


def lock_grants(*conditions: ColumnElement[bool]) -> list[OAuthGrant]:
    """Lock the grants of some conditions, in the order of their ids, and return them."""
    found = select(OAuthGrant).where(*conditions).order_by(OAuthGrant.id).with_for_update()
    return list(db.session.scalars(found.execution_options(populate_existing=True)))


def _find_sid(approval: Approval) -> UUID | None:
    """Return the `sid` that the client knows this session by."""
    known = select(OAuthGrant.sid).where(
        OAuthGrant.authorized_session_id == approval.session.id,
        OAuthGrant.client_id == approval.client.id,
    )
    return db.session.scalar(known.limit(1))
