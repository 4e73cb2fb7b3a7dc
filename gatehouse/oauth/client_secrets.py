"""Secrets of clients."""

from sqlalchemy import ColumnElement, or_

from gatehouse.core import clock
from models import OAuthClientSecret


def is_live() -> ColumnElement[bool]:
    """Return the condition that a secret was not revoked and has not expired."""
    unexpired = or_(
        OAuthClientSecret.expires_at.is_(None), OAuthClientSecret.expires_at > clock.now()
    )
    return OAuthClientSecret.revoked_at.is_(None) & unexpired
