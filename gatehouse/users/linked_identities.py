"""Link identities at providers to users, and unlink them; both are announced to the user."""

from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from gatehouse.audit import federation_events
from gatehouse.audit.service import record
from gatehouse.core.errors import NotFound
from gatehouse.core.events import CredentialChanged, publish
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.federation import identities, registry
from gatehouse.federation.errors import IdentityTaken, LastSignInMethod
from gatehouse.federation.identity import AuthenticatedIdentity
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import Credential, ExternalIdentity, Password

PASSKEY = "passkey"
Federation = federation_events.Federation


def link_identity(user_id: UUID, identity: AuthenticatedIdentity, context: RequestContext) -> None:
    """Link an identity to a user, and notify the user, in a write transaction.

    Raises:
        IdentityTaken: it is linked to another user.
    """
    with write_transaction():
        advisory_lock(users.lock_key(user_id))
        existing = identities.find(identity)
        if existing and existing.user_id == user_id:
            return
        try:
            row = None if existing else identities.add(user_id, identity)
        except IntegrityError:  # in a transaction of the other user
            row = None
        if row is None:
            raise IdentityTaken(user_id=user_id, provider=identity.provider, reason="taken")
        record(Federation.LINKED, context, user_id=user_id, provider=identity.provider)
        _notify(user_id, "notice_identity_linked", row, context)


def unlink_identity(
    user_id: UUID, identity_id: UUID, session_id: UUID, context: RequestContext
) -> None:
    """Remove an identity of a user; other sessions end, which it may have begun.

    Raises:
        NotFound: the user has no such identity.
        LastSignInMethod: the user could not sign in any more, except by e-mail.
    """
    with write_transaction():
        advisory_lock(users.lock_key(user_id))
        row = identities.find_own(user_id, identity_id)
        if row is None:
            raise NotFound
        if identities.count_for(user_id) == 1 and not _has_other_way(user_id):
            raise LastSignInMethod
        db.session.delete(row)
        publish(CredentialChanged(user_id, "identity_unlinked", context, session_id))
        record(Federation.UNLINKED, context, user_id=user_id, provider=row.provider)
        _notify(user_id, "notice_identity_unlinked", row, context)


def _has_other_way(user_id: UUID) -> bool:
    """Return whether a user has a password or a passkey.

    A link by e-mail is a way to sign in, too, but not one that the user has chosen.
    """
    passkey = (Credential.user_id == user_id) & (Credential.kind == PASSKEY)
    ways = select(
        exists().where(Password.user_id == user_id)
        | exists().where(passkey, Credential.confirmed_at.is_not(None))
    )
    return bool(db.session.scalar(ways))


def _notify(user_id: UUID, template: str, row: ExternalIdentity, context: RequestContext) -> None:
    variables = {"provider": label_of(row.provider)}
    notifications.notify(users.require_user(user_id), template, variables, context)


def label_of(name: str) -> str:
    """Return what users call a provider; its name, if it is not declared any more."""
    labels = {provider.name: provider.label for provider in registry.list_providers()}
    return labels.get(name, name)
