"""Secrets of clients: `ghs_`, 256 random bits and a checksum; only their digests are stored.

A client has at most two, so that one can be replaced while the other is still in use.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, select

from gatehouse.audit.oauth_events import Clients
from gatehouse.audit.service import record
from gatehouse.core import clock, credential_format, crypto
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.database.session import db
from gatehouse.oauth.client_errors import ClientHasNoSecrets, SecretEnded, TooManySecrets
from gatehouse.oauth.client_metadata import SECRET_METHODS
from gatehouse.web.request_context import RequestContext
from models import OAuthClient, OAuthClientSecret

PREFIX = "ghs_"
"""Secrets begin with it, and neither tokens nor API keys do."""
MAX_LIVE_SECRETS = 2
DEFAULT_OVERLAP, MAX_OVERLAP = timedelta(hours=24), timedelta(days=7)
MAX_LIFETIME = timedelta(days=366 * 5)
DAYS_ANNOUNCED_BEFORE = (3, 14)
"""When administrators are notified of the end."""
RETENTION = timedelta(days=90)
"""How long a secret that has ended is still listed."""


@dataclass(frozen=True, repr=False)
class CreatedSecret:
    """A new secret, and its text, which is shown once."""

    row: OAuthClientSecret
    text: str


def is_live() -> ColumnElement[bool]:
    """Return the condition that a secret was not revoked and has not expired."""
    unexpired = or_(
        OAuthClientSecret.expires_at.is_(None), OAuthClientSecret.expires_at > clock.now()
    )
    return OAuthClientSecret.revoked_at.is_(None) & unexpired


def list_secrets(client: OAuthClient) -> list[OAuthClientSecret]:
    """Return the secrets of a client, the newest first, for 90 days after their end."""
    own = select(OAuthClientSecret).where(OAuthClientSecret.client_id == client.id)
    newest_first = OAuthClientSecret.created_at.desc(), OAuthClientSecret.id.desc()
    return list(db.session.scalars(own.order_by(*newest_first)))


def get_secret(client: OAuthClient, secret_id: UUID) -> OAuthClientSecret:
    """Return a secret of a client.

    Raises:
        NotFound: the client has no such secret.
    """
    secret = db.session.get(OAuthClientSecret, secret_id, populate_existing=True)
    if secret is None or secret.client_id != client.id:
        raise NotFound
    return secret


def add_secret(
    client: OAuthClient, expires_at: datetime | None, context: RequestContext
) -> CreatedSecret:
    """Give a locked client one more secret; without a time it does not expire.

    Raises:
        ClientHasNoSecrets: it authenticates in another way.
        TooManySecrets: it has MAX_LIVE_SECRETS.
        ValidationFailed: the time is not within MAX_LIFETIME.
    """
    text = credential_format.create_secret(PREFIX)
    return CreatedSecret(_add(client, text, expires_at, context), text)


def rotate_secret(
    secret: OAuthClientSecret, client: OAuthClient, overlap: timedelta, context: RequestContext
) -> CreatedSecret:
    """Create the successor of a secret of a locked client; the old one is valid for the overlap.

    Raises:
        SecretEnded: it has expired or was revoked.
        ClientHasNoSecrets, TooManySecrets: see `add_secret`.
    """
    if not _is_live(secret):
        raise SecretEnded
    lifetime = secret.expires_at - secret.created_at if secret.expires_at else None
    created = add_secret(client, clock.now() + lifetime if lifetime else None, context)
    end_after(secret, overlap)
    return created


def import_secret(client: OAuthClient, text: str, context: RequestContext) -> bool:
    """Make a secret that the operator chose the current one; return whether it is new.

    All other secrets end after the default overlap; of two, the older one ends at once.

    Raises:
        ValidationFailed: it was revoked, or is another client's.
        ClientHasNoSecrets: see `add_secret`.
    """
    _require_method(client)
    live = [secret for secret in list_secrets(client) if _is_live(secret)]
    digest = crypto.digest(text)
    if any(secret.digest == digest for secret in live):
        return False
    used = select(OAuthClientSecret.id).where(OAuthClientSecret.digest == digest)
    if db.session.scalar(used):
        reject_field("secret", "used", "This secret was used before; choose a new one.")
    for secret in live[MAX_LIVE_SECRETS - 1 :]:
        revoke_secret(secret, context)
    for secret in live[: MAX_LIVE_SECRETS - 1]:
        end_after(secret, DEFAULT_OVERLAP)
    _add(client, text, None, context)
    return True


def end_after(secret: OAuthClientSecret, overlap: timedelta) -> None:
    """Let a secret expire after an overlap, unless it expires before."""
    end = clock.now() + overlap
    secret.expires_at = min(secret.expires_at or end, end)
    secret.days_announced = 0  # its successor is there, so that its end is no news


def revoke_secret(secret: OAuthClientSecret, context: RequestContext) -> None:
    """Revoke a secret of a locked client; one that has ended stays as it is."""
    if _is_live(secret):
        secret.revoked_at = clock.now()
        record(Clients.SECRET_REVOKED, context, **_event_data(secret))


def revoke_all(client: OAuthClient, context: RequestContext) -> None:
    """Revoke the secrets of a client that authenticates in another way now."""
    for secret in list_secrets(client):
        revoke_secret(secret, context)


def purge_ended_secrets() -> None:
    """Delete the secrets that ended long ago, in the current transaction."""
    long_ago = clock.now() - RETENTION
    ended = or_(OAuthClientSecret.expires_at < long_ago, OAuthClientSecret.revoked_at < long_ago)
    db.session.execute(delete(OAuthClientSecret).where(ended))


def serialize_secret(secret: OAuthClientSecret) -> dict[str, object]:
    """Return a secret as administrators see it: never the text of it."""
    return serialize_version(secret) | {"last_used_at": secret.last_used_at}


def serialize_version(secret: OAuthClientSecret) -> dict[str, object]:
    """Return what the `ETag` of a secret names: all but its last use, which is no change of it."""
    times = ("created_at", "expires_at", "revoked_at")
    return {"id": str(secret.id)} | {name: getattr(secret, name) for name in times}


def _is_live(secret: OAuthClientSecret) -> bool:
    is_unexpired = secret.expires_at is None or secret.expires_at > clock.now()
    return secret.revoked_at is None and is_unexpired


def _require_method(client: OAuthClient) -> None:
    if client.authentication_method not in SECRET_METHODS:
        raise ClientHasNoSecrets


def _add(
    client: OAuthClient, text: str, expires_at: datetime | None, context: RequestContext
) -> OAuthClientSecret:
    _require_method(client)
    now = clock.now()
    if expires_at and not now < expires_at <= now + MAX_LIFETIME:
        message = f"Choose a time in the future, at most {MAX_LIFETIME.days} days from now."
        reject_field("expires_at", "out_of_range", message)
    if sum(_is_live(secret) for secret in list_secrets(client)) >= MAX_LIVE_SECRETS:
        raise TooManySecrets
    row = OAuthClientSecret(id=crypto.new_id(), client_id=client.id, digest=crypto.digest(text))
    row.created_at, row.expires_at = now, expires_at
    db.session.add(row)
    db.session.flush()
    record(Clients.SECRET_CREATED, context, **_event_data(row))
    return row


def _event_data(secret: OAuthClientSecret) -> dict[str, Any]:
    end = clock.format_rfc3339(secret.expires_at) if secret.expires_at else None
    return {"client": secret.client_id, "secret_id": str(secret.id), "expires_at": end}
