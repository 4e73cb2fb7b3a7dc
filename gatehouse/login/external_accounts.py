"""The account of an authenticated identity: the one it is linked to, or one that it may have.

Identities are found by issuer and subject. An address leads to an account only where the operator
relies on the provider for it, and both sides have verified it (Sudhodanan and Paverd, "Pre-hijacked
accounts", 2022).
"""

from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from marshmallow import Schema

from gatehouse.audit.federation_events import Federation
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto_labels
from gatehouse.core.errors import ValidationFailed
from gatehouse.core.events import UserChanged, UserCreated, publish
from gatehouse.database.session import commit_alone, db, end_transaction, write_transaction
from gatehouse.federation import identities, registry
from gatehouse.federation.errors import IdentityNotAllowed, IdentityNotLinked, ProviderRejected
from gatehouse.federation.identity import AuthenticatedIdentity
from gatehouse.federation.provider import EACH_SIGN_IN
from gatehouse.hooks import blocking, kinds
from gatehouse.hooks.blocking import Outcomes
from gatehouse.hooks.questions import Question
from gatehouse.one_time_codes import locks
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import linked_identities, registration_policy
from gatehouse.users import service as users
from gatehouse.users.errors import RegistrationClosed
from gatehouse.users.forms import profile_fields
from gatehouse.users.identifiers import Email, parse_email
from gatehouse.web.request_context import RequestContext
from models import PROFILE_LENGTHS, User

ProfileSchema = Schema.from_dict(dict(profile_fields()))
"""The rules of the profile's fields, which providers do not know."""


@dataclass(frozen=True)
class Account:
    """The account of an identity."""

    user_id: UUID
    is_linked: bool
    """Whether the identity is linked to it already; otherwise its address leads there."""


@dataclass
class _Registration:
    """A new account, and what hooks have said about it."""

    identity: AuthenticatedIdentity
    email: Email
    failed_hooks: Outcomes = ()
    user_id: UUID | None = field(default=None, init=False)


def find_or_create(identity: AuthenticatedIdentity, context: RequestContext) -> Account:
    """Return the account of an identity; a new one is created at the first sign-in.

    Raises:
        IdentityNotLinked: it has none, and its address is not one to rely on.
        IdentityNotAllowed: it has none, and users cannot sign up with it.
        RegistrationDenied: a hook of the operator stops the registration.
    """
    row = identities.find(identity)
    if row:
        return Account(row.user_id, is_linked=True)
    email = _require_reliable_email(identity)
    user = users.find_by_email(email.canonical)
    if user is None:
        return Account(_register(identity, email, context), is_linked=True)
    if not user.email_verified_at:
        raise _not_linked(identity, "the address of the account is not verified")
    return Account(user.id, is_linked=False)


def record_use(account: Account, identity: AuthenticatedIdentity, context: RequestContext) -> None:
    """Record a sign-in with an identity, in the transaction of the login; link it if it is new.

    Raises:
        ProviderRejected: the identity was unlinked, or the account changed, meanwhile.
    """
    row, user = identities.find(identity), users.require_user(account.user_id)
    if row is None and not account.is_linked and _is_address_of(user, identity):
        linked_identities.link_identity(user.id, identity, context.authenticated_as(user.id))
        row = identities.find(identity)
    if row is None or row.user_id != user.id:
        raise ProviderRejected(provider=identity.provider, reason="linked or unlinked meanwhile")
    row.last_used_at, row.provider = clock.now(), identity.provider
    if registry.get_provider(identity.provider).update_profile == EACH_SIGN_IN:
        _update_profile(user, identity, context)


def _require_reliable_email(identity: AuthenticatedIdentity) -> Email:
    if not identity.is_email_verified:
        raise _not_linked(identity, "no address to rely on")
    try:
        return parse_email(identity.email)
    except ValueError:
        raise _not_linked(identity, "malformed address") from None


def _not_linked(identity: AuthenticatedIdentity, reason: str) -> IdentityNotLinked:
    return IdentityNotLinked(provider=identity.provider, reason=reason)


def _is_address_of(user: User, identity: AuthenticatedIdentity) -> bool:
    email = _require_reliable_email(identity)
    return user.email_canonical == email.canonical and user.email_verified_at is not None


def _register(identity: AuthenticatedIdentity, email: Email, context: RequestContext) -> UUID:
    """Create the account of an identity, and commit it: the login steps begin with a user."""
    _require_registration(identity, email)
    registration = _Registration(identity, email, _ask_hooks(identity, email, context))
    commit_alone(partial(_create, registration, context))
    end_transaction()
    if registration.user_id is None:
        raise _not_linked(identity, "another account got the address meanwhile")
    return registration.user_id


def _require_registration(identity: AuthenticatedIdentity, email: Email) -> None:
    try:
        registration_policy.require_sign_up(email)
    except (RegistrationClosed, ValidationFailed):
        reason = "registration is closed, or its domain not allowed"
        raise IdentityNotAllowed(provider=identity.provider, reason=reason) from None
    if not registry.get_provider(identity.provider).registration:
        reason = "no registration with this provider"
        raise IdentityNotAllowed(provider=identity.provider, reason=reason)


def _ask_hooks(identity: AuthenticatedIdentity, email: Email, context: RequestContext) -> Outcomes:
    end_transaction()
    if not blocking.is_asked(kinds.BEFORE_REGISTRATION):
        return ()
    profile = {**read_profile(identity), "attributes": {}}
    data = {"method": "federation", "email": email.as_written, "profile": profile}
    return blocking.require_allowed(Question(kinds.BEFORE_REGISTRATION, data, context))


def _create(registration: _Registration, context: RequestContext) -> None:
    """Create the account, unless the address or the identity has one by now."""
    identity, email = registration.identity, registration.email
    with write_transaction():
        locks.lock_recipient(email.canonical)
        if existing := identities.find(identity):
            registration.user_id = existing.user_id
            return
        if users.find_by_email(email.canonical):
            return
        one_time_codes.delete_for_subject(crypto_labels.REGISTRATION, email.canonical)
        user = users.create_user(email, read_profile(identity))
        user.email_verified_at = clock.now()
        identities.add(user.id, identity)
        context = context.authenticated_as(user.id)
        blocking.record_failures(registration.failed_hooks)
        record(Federation.REGISTERED, context, user_id=user.id, provider=identity.provider)
        publish(UserCreated(user.id, context))
        registration.user_id = user.id


def _update_profile(user: User, identity: AuthenticatedIdentity, context: RequestContext) -> None:
    profile = read_profile(identity)
    changed = tuple(name for name, value in profile.items() if getattr(user, name) != value)
    if changed:
        users.set_fields(user, profile)
        db.session.flush()
        publish(UserChanged(user.id, context.authenticated_as(user.id), changed))


def read_profile(identity: AuthenticatedIdentity) -> dict[str, str]:
    """Return the fields of our profile that the provider sent, without those that are not valid."""
    given = {name: text for name, text in identity.profile.items() if name in PROFILE_LENGTHS}
    errors = ProfileSchema().validate(given)
    return {name: text for name, text in given.items() if name not in errors}
