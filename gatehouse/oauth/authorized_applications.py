"""The applications that have access to a user: list them, and revoke their access.

There is one for each client: what the user consented to, and the live grants, together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select

from gatehouse.audit.oauth_events import OAuth
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.core.errors import NotFound
from gatehouse.core.i18n import Language, choose_language
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.oauth import grant_lifecycle, logout_queue
from gatehouse.oauth.scopes import SENTENCES
from gatehouse.users import administration
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.request_context import RequestContext
from models import OAuthClient, OAuthConsent, OAuthGrant, OAuthResource

Value = TypeVar("Value")
ACCESS_REVOKED = "access_revoked"


@dataclass(frozen=True)
class _Access:
    """What one client has: a consent, live grants, or both."""

    client: OAuthClient
    consent: OAuthConsent | None
    grants: Sequence[OAuthGrant]

    @property
    def rows(self) -> list[OAuthConsent | OAuthGrant]:
        return [*([self.consent] if self.consent else []), *self.grants]

    @property
    def id(self) -> UUID:
        """The id of the consent, or of the first live grant where nothing was asked."""
        return self.rows[0].id


def list_applications(user_id: UUID, context: RequestContext) -> list[dict[str, object]]:
    """Return the applications that have access to a user, by name, in the user's language."""
    locale = users.get_profile(user_id)["locale"]
    language = choose_language(locale, context.accept_language)
    found = sorted(_list_access(user_id), key=lambda access: access.client.name.lower())
    words = _read_words(found)
    return [_describe(access, words, language) for access in found]


def revoke_own_access(user_id: UUID, item_id: UUID, context: RequestContext) -> None:
    """Revoke the access of one of the user's applications.

    Raises:
        NotFound: the user has no such application.
    """
    with write_transaction():
        advisory_lock(users.lock_key(user_id))
        _revoke_access(user_id, item_id, context)


def revoke_access_by_administrator(change: UserChange, item_id: UUID) -> None:
    """Revoke the access of an application to a user.

    Raises:
        NotFound: the user has no such application.
    """
    with administration.changing_user(change):
        _revoke_access(change.user_id, item_id, change.context)


def _revoke_access(user_id: UUID, item_id: UUID, context: RequestContext) -> None:
    """Delete the consent and end all grants of a client, which is notified."""
    access = next((one for one in _list_access(user_id) if item_id in _ids_of(one)), None)
    if access is None:
        raise NotFound
    client_id = access.client.id
    of_client = (OAuthGrant.user_id == user_id, OAuthGrant.client_id == client_id)
    grants = grant_lifecycle.lock_grants(*of_client, OAuthGrant.ended_at.is_(None))
    logout_queue.queue_notifications(grants)
    grant_lifecycle.end_grants(grants, ACCESS_REVOKED, context)
    if access.consent:
        db.session.delete(access.consent)
    details = {"grant_id": str(access.id), "client": client_id}
    record(OAuth.ACCESS_REVOKED, context, user_id=user_id, session_id=None, **details)


def _ids_of(access: _Access) -> set[UUID]:
    """Return the ids by which an application may be named: the first grant may have ended since."""
    return {row.id for row in access.rows}


def _list_access(user_id: UUID) -> list[_Access]:
    live = select(OAuthGrant).where(OAuthGrant.user_id == user_id, *_is_live(clock.now()))
    grants = list(db.session.scalars(live.order_by(OAuthGrant.id)))
    consents = db.session.scalars(select(OAuthConsent).where(OAuthConsent.user_id == user_id))
    by_client = {consent.client_id: consent for consent in consents}
    ids = by_client.keys() | {grant.client_id for grant in grants}
    clients = db.session.scalars(select(OAuthClient).where(OAuthClient.id.in_(ids)))
    return [
        _Access(
            client, by_client.get(client.id), [one for one in grants if one.client_id == client.id]
        )
        for client in clients
    ]


def _is_live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        OAuthGrant.ended_at.is_(None),
        OAuthGrant.code_used_at.is_not(None),
        OAuthGrant.expires_at > now,
        OAuthGrant.idle_at > now,
    )


def _read_words(found: Iterable[_Access]) -> dict[str, str]:
    """Return what the scopes of resources allow, in the operator's words."""
    audiences = {name for access in found for row in access.rows for name in row.resources}
    rows = db.session.scalars(select(OAuthResource).where(OAuthResource.audience.in_(audiences)))
    return {name: words for row in rows for name, words in row.scopes.items()}


def _describe(access: _Access, words: dict[str, str], language: Language) -> dict[str, object]:
    client, scopes = access.client, _merge(row.scopes for row in access.rows)
    return {
        "id": access.id,
        "client_id": client.id,
        "name": client.name,
        "uri": client.uri,
        "logo_uri": client.logo_uri,
        "terms_uri": client.terms_uri,
        "privacy_uri": client.privacy_uri,
        "scopes": [
            {"scope": scope, "description": _describe_scope(scope, words, language)}
            for scope in scopes
        ],
        "resources": _merge(row.resources for row in access.rows),
        "session_ids": _merge([grant.session_id] for grant in access.grants if grant.session_id),
        "offline": any(grant.session_id is None for grant in access.grants),
        "created_at": min(row.created_at for row in access.rows),
        "last_used_at": max(map(_last_use, access.grants), default=None),
    }


def _describe_scope(scope: str, words: dict[str, str], language: Language) -> str:
    return language.gettext(SENTENCES[scope]) if scope in SENTENCES else words.get(scope, scope)


def _last_use(grant: OAuthGrant) -> datetime:
    return grant.last_used_at or grant.code_used_at or grant.created_at


def _merge(lists: Iterable[Sequence[Value]]) -> list[Value]:
    """Return the values of some lists, each once, in their order."""
    return list(dict.fromkeys(value for values in lists for value in values))
