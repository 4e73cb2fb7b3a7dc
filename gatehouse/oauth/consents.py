"""Consents: what users have allowed clients, and when they are asked."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from gatehouse.database.session import db
from gatehouse.oauth.client_metadata import FIRST_PARTY, ONCE
from models import OAuthClient, OAuthConsent


def is_required(
    client: OAuthClient, user_id: UUID, scopes: Sequence[str], resources: Sequence[str]
) -> bool:
    """Return whether a user has to be asked before a client gets these scopes."""
    if client.consent == FIRST_PARTY:
        return False
    consent = _find_consent(client, user_id) if client.consent == ONCE else None
    return consent is None or not (
        set(scopes) <= set(consent.scopes) and set(resources) <= set(consent.resources)
    )


def remember(
    client: OAuthClient, user_id: UUID, scopes: Sequence[str], resources: Sequence[str]
) -> None:
    """Remember a consent for the next requests, if the client's rule is to ask once.

    The write transaction has locked the user, so that there is one consent for each client.
    """
    if client.consent != ONCE:
        return
    consent = _find_consent(client, user_id)
    if consent is None:
        consent = OAuthConsent(user_id=user_id, client_id=client.id, scopes=[], resources=[])
        db.session.add(consent)
    consent.scopes = [*dict.fromkeys([*consent.scopes, *scopes])]
    consent.resources = [*dict.fromkeys([*consent.resources, *resources])]
    db.session.flush()


def _find_consent(client: OAuthClient, user_id: UUID) -> OAuthConsent | None:
    return db.session.scalar(
        select(OAuthConsent).where(
            OAuthConsent.user_id == user_id, OAuthConsent.client_id == client.id
        )
    )
