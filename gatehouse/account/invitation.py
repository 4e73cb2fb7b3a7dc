"""Invitations: an operator invites an e-mail address with a role and a link that works once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import registration_hooks
from gatehouse.account.access_revocation import take_ownership
from gatehouse.account.pending_registration import REGISTRATION_CODE
from gatehouse.account.registration_hooks import Invited
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import catalog, delegation, permissions, roles
from gatehouse.core import clock, crypto_labels, i18n
from gatehouse.core.events import RolesChanged, UserCreated, publish
from gatehouse.database.session import advisory_lock, end_transaction, write_transaction
from gatehouse.hooks import blocking
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import locks, redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.stored_data import StoredData
from gatehouse.passwords import service as passwords
from gatehouse.users import registration_policy
from gatehouse.users import service as users
from gatehouse.users.errors import InvitationFailed
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import Actor, RequestContext
from models import OneTimeCode, User

INVITATION_LINK = CodeType(
    crypto_labels.INVITATION,
    template="invitation",
    lifetime_of=lambda settings: settings.invitation_lifetime,
    error=InvitationFailed,
    page="accept-invitation",
)


@dataclass(frozen=True)
class InvitationData(StoredData):
    """What is stored with an invitation."""

    email: str
    role: str
    user_id: str | None = None
    """The user that an administrator has created already; else accepting it creates one."""
    is_reminded: bool | None = None


@dataclass(frozen=True)
class PendingInvitation:
    """A pending invitation, as the page of its link shows it."""

    invited_at: datetime


def send_invitation(email: Email, role: str, context: RequestContext) -> str:
    """Store an invitation and send its e-mail; return the link. It voids older invitations.

    Raises:
        LookupError: the e-mail address has an account, or the role does not exist.
        RegistrationClosed: no new accounts are accepted.
    """
    registration_policy.require_invitations()
    with write_transaction():
        if users.find_by_email(email.canonical):
            raise LookupError(f"{email.as_written} has an account already.")
        if not roles.role_exists(role):
            raise LookupError(
                f"There is no role {role!r}; there are {', '.join(roles.list_role_names())}."
            )
        url = _send(InvitationData(email.as_written, role), None, context)
        record(events.Invitation.SENT, context, role=role)
    return url


def send_to_user(user: User, context: RequestContext) -> None:
    """Invite a user without a password, whom an administrator has created, to choose one.

    It voids older invitations, in the current write transaction.
    """
    data = InvitationData(user.email, permissions.DEFAULT_ROLE, str(user.id))
    _send(data, user.locale, context)
    record(events.Invitation.SENT, context, user_id=user.id)


def require_may_replace(email: Email, actor: Actor) -> None:
    """Require that the actor may void the pending invitations of an e-mail address.

    Raises:
        GrantExceedsOwnPermissions: one gives a role with a permission that the actor lacks.
    """
    limit, known = delegation.get_grant_limit(actor), catalog.read_catalog()
    for row in one_time_codes.list_pending(INVITATION_LINK.purpose, email.canonical):
        limit.require(known.grants_of([one_time_codes.load_data(row, InvitationData).role]))


def _send(data: InvitationData, locale: str | None, context: RequestContext) -> str:
    subject = data.email.lower()
    one_time_codes.delete_for_subject(INVITATION_LINK.purpose, subject)
    url = sending.create_link(INVITATION_LINK, subject, data)
    expires = clock.now() + INVITATION_LINK.lifetime
    variables = {"link": url, "role": data.role, "expires": expires}
    message = MessageRequest(data.email, INVITATION_LINK.template, variables, locale)
    outbox.put(message, context)
    return url


def find_pending(code_id: UUID) -> PendingInvitation | None:
    """Return an invitation, if it can still be accepted."""
    row = one_time_codes.find_by_id(INVITATION_LINK.purpose, code_id)
    return PendingInvitation(row.created_at) if row else None


def accept(token: str, password: str, context: RequestContext) -> None:
    """Create the account of an invitation, with this password.

    Raises:
        RegistrationClosed: no new accounts are accepted.
        InvitationFailed: the token is wrong, has expired, or was used before.
        ValidationFailed: the password breaks the password policy; the invitation stays valid.
        RegistrationDenied: a hook of the operator stops it; the invitation stays valid.
    """
    registration_policy.require_invitations()
    row = redeeming.find_link(INVITATION_LINK, token)
    end_transaction()
    translate = i18n.choose_language(None, context.accept_language).gettext
    email = one_time_codes.load_data(row, InvitationData).email
    passwords.require_acceptable_password(password, [email], translate=translate)
    failed = registration_hooks.ask_hooks("invitation", Invited(email), context)
    password_hash = passwords.hash_password(password, context)
    try:
        with write_transaction():
            blocking.record_failures(failed)
            _create_user(row, password_hash, context)
    except IntegrityError:
        raise InvitationFailed from None


def _create_user(
    row: OneTimeCode, password_hash: passwords.PasswordHash, context: RequestContext
) -> None:
    data = one_time_codes.load_data(row, InvitationData)
    email = Email(data.email, data.email.lower())
    if row.user_id:
        advisory_lock(users.lock_key(row.user_id))
    locks.lock_recipient(email.canonical)
    redeeming.consume(INVITATION_LINK, row)
    one_time_codes.delete_for_subject(REGISTRATION_CODE.purpose, email.canonical)
    if row.user_id:
        user = _take_prepared_account(row.user_id, email, context)
    else:
        user = users.create_user(email, {})
        user.email_verified_at = clock.now()
        publish(UserCreated(user.id, context.authenticated_as(user.id)))
    passwords.store_password_hash(user.id, password_hash)
    context = context.authenticated_as(user.id)
    if roles.assign_role(user.id, data.role):
        publish(RolesChanged(user.id, context, roles.list_assigned_roles(user.id)))
    record(events.Invitation.ACCEPTED, context, user_id=user.id, role=data.role)


def _take_prepared_account(user_id: UUID, email: Email, context: RequestContext) -> User:
    """Give an account that an administrator has created to the owner of the e-mail address.

    Raises:
        InvitationFailed: the account has another address meanwhile, or an owner already.
    """
    user = users.get_user(user_id)
    is_waiting = user is not None and passwords.get(user_id) is None
    if user is None or not is_waiting or user.email_canonical != email.canonical:
        raise InvitationFailed
    take_ownership(user, context)
    return user
