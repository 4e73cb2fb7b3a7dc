"""Find registered resources: the APIs that clients get access tokens for."""

from sqlalchemy import select

from gatehouse.database.session import db
from models import OAuthResource


def find_resource(audience: str) -> OAuthResource | None:
    """Return a resource by its audience, or None."""
    if "\0" in audience:  # PostgreSQL cannot compare it
        return None
    return db.session.scalar(select(OAuthResource).where(OAuthResource.audience == audience))
