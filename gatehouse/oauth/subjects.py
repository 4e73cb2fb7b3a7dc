"""The `sub` by which a client knows a user: public or pairwise (OpenID Connect Core section 8)."""

from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.types import Uuid

from gatehouse.core import clock, crypto
from gatehouse.database.session import UTCDateTime, db
from gatehouse.oauth.client_metadata import PAIRWISE
from models import OAuthClient, PairwiseSubject

INSERT_SUBJECT = text(
    "INSERT INTO pairwise_subjects (subject, sector, user_id, created_at)"
    " VALUES (:subject, :sector, :user_id, :now) ON CONFLICT (sector, user_id) DO NOTHING"
).bindparams(
    bindparam("subject", type_=Uuid()),
    bindparam("user_id", type_=Uuid()),
    bindparam("now", type_=UTCDateTime()),
)


def find_subject(client: OAuthClient, user_id: UUID) -> str | None:
    """Return the subject of a user for a client, if the client knows the user already."""
    if client.subject_type != PAIRWISE:
        return str(user_id)
    pairwise = select(PairwiseSubject.subject).where(
        PairwiseSubject.sector == sector_of(client), PairwiseSubject.user_id == user_id
    )
    found = db.session.scalar(pairwise)
    return None if found is None else str(found)


def provide_subject(client: OAuthClient, user_id: UUID) -> str:
    """Return the subject of a user for a client; create it if necessary, in a write transaction.

    Requests in parallel get the same.
    """
    if known := find_subject(client, user_id):
        return known
    subject = UUID(bytes=crypto.random_bytes(16), version=4)
    values = {"subject": subject, "sector": sector_of(client), "user_id": user_id}
    db.session.execute(INSERT_SUBJECT, values | {"now": clock.now()})
    return find_subject(client, user_id) or ""


def sector_of(client: OAuthClient) -> str:
    """Return the sector of a client: the one it is registered with, else its host."""
    first = client.redirect_uris[0] if client.redirect_uris else client.id
    return client.sector or urlsplit(first).hostname or client.id
