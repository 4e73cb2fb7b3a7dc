"""The identities that users have at identity providers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select

from gatehouse.core import clock, crypto
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import db
from gatehouse.federation.identity import AuthenticatedIdentity
from models import ExternalIdentity

ORDER = NewestFirst(ExternalIdentity.created_at, ExternalIdentity.id)
SHOWN = ("id", "provider", "issuer", "subject", "created_at", "last_used_at")


def list_identities(
    user_id: UUID, limit: int, after: Position | None = None
) -> tuple[list[dict[str, object]], Position | None]:
    """Return a page of a user's identities, the newest first, and where the next page begins."""
    own = select(ExternalIdentity).where(ExternalIdentity.user_id == user_id)
    rows, following = ORDER.fetch_page(own, limit, after)
    found = [row.ExternalIdentity for row in rows]
    return [{name: getattr(one, name) for name in SHOWN} for one in found], following


def list_for(user_id: UUID) -> Sequence[ExternalIdentity]:
    """Return a user's identities, the newest first."""
    own = select(ExternalIdentity).where(ExternalIdentity.user_id == user_id)
    return db.session.scalars(own.order_by(ExternalIdentity.id.desc())).all()


def count_for(user_id: UUID) -> int:
    """Return how many identities a user has."""
    own = select(func.count()).where(ExternalIdentity.user_id == user_id)
    return db.session.scalar(own) or 0


def find(identity: AuthenticatedIdentity) -> ExternalIdentity | None:
    """Return the row of an identity: by issuer and subject, never by an address."""
    matching = select(ExternalIdentity).where(
        ExternalIdentity.issuer == identity.issuer, ExternalIdentity.subject == identity.subject
    )
    return db.session.scalar(matching)


def add(user_id: UUID, identity: AuthenticatedIdentity) -> ExternalIdentity:
    """Add an identity to a user, in the current transaction.

    Raises:
        IntegrityError: it belongs to a user already.
    """
    row = ExternalIdentity(
        id=crypto.new_id(),
        user_id=user_id,
        issuer=identity.issuer,
        subject=identity.subject,
        provider=identity.provider,
        last_used_at=clock.now(),
    )
    db.session.add(row)
    db.session.flush()
    return row


def find_own(user_id: UUID, identity_id: UUID) -> ExternalIdentity | None:
    """Return an identity of a user by id, locked."""
    own = select(ExternalIdentity).where(
        ExternalIdentity.id == identity_id, ExternalIdentity.user_id == user_id
    )
    return db.session.scalar(own.with_for_update())


def delete_for(user_id: UUID, since: datetime | None = None) -> None:
    """Delete the identities of a user, or those linked since a time, in the current transaction."""
    own = delete(ExternalIdentity).where(ExternalIdentity.user_id == user_id)
    db.session.execute(own.where(ExternalIdentity.created_at >= since) if since else own)
