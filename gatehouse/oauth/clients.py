"""Find registered clients."""

import re

from sqlalchemy import select

from gatehouse.database.session import db
from models import OAuthClient

CLIENT_ID = r"[a-z0-9][a-z0-9._-]{0,63}"


def find_client(client_id: str) -> OAuthClient | None:
    """Return an enabled client by its `client_id`, or None."""
    if not re.fullmatch(CLIENT_ID, client_id, re.ASCII):
        return None
    named = select(OAuthClient).where(OAuthClient.id == client_id, OAuthClient.enabled)
    return db.session.scalar(named)
