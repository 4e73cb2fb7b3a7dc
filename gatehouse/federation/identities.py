"""The identities that users have at identity providers."""

from uuid import UUID

from sqlalchemy import select

from gatehouse.database.pages import NewestFirst, Position
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
