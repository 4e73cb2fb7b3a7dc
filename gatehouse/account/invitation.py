"""An operator lets somebody in: an address, a role, and a link that works once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import registration
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import roles
from gatehouse.core import clock, i18n
from gatehouse.database.session import release, take_turns, writing
from gatehouse.messaging import outbox
from gatehouse.messaging.links import link
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.users import service as users
from gatehouse.users.errors import InvitationFailed
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import Visitor
from models import Challenge

PURPOSE = "invite"
LIFETIME = timedelta(days=3)


@dataclass(frozen=True)
class PendingInvitation:
    """What the page of the link tells about the invitation."""

    email: str
    asked_at: datetime


def send(email: Email, role: str, visitor: Visitor) -> str:
    """Write an invitation and its mail; return the link. A newer one voids the older ones.

    Raises:
        LookupError: the address has an account, or there is no such role.
    """
    with writing():
        if users.by_email(email.canonical):
            raise LookupError(f"{email.address} has an account already.")
        if not roles.exists(role):
            raise LookupError(f"There is no role {role!r}; there are {', '.join(roles.names())}.")
        one_time_codes.forget(PURPOSE, email.canonical)
        data = {"email": email.address, "role": role}
        secrets = one_time_codes.create(PURPOSE, email.canonical, data, LIFETIME)
        where = link("accept-invitation", secrets.id, secrets.token)
        expires = clock.now() + LIFETIME
        variables = {"link": where, "role": role, "expires": expires}
        outbox.put(Letter(email.address, "invitation", variables), visitor)
        record(events.Invitation.SENT, visitor, role=role)
    return where


def describe(challenge_id: UUID) -> PendingInvitation | None:
    """Return whom an invitation is for, if it can still be accepted."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    return (
        PendingInvitation(one_time_codes.open_data(row)["email"], row.created_at) if row else None
    )


def accept(token: str, password: str, visitor: Visitor) -> None:
    """Make the account of an invitation, with this password.

    Raises:
        InvitationFailed: the token is wrong, has expired, or was used before.
        ValidationFailed: the password is not good enough; the invitation stays good.
    """
    row = one_time_codes.by_token(PURPOSE, token)
    if row is None:
        raise InvitationFailed
    release()
    say = i18n.choose(None, visitor.languages).say
    passwords.require_good(password, [one_time_codes.open_data(row)["email"]], say=say)
    hashed = passwords.hash_new(password, visitor)
    try:
        with writing():
            _make_account(row, hashed, visitor)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise InvitationFailed from None


def _make_account(row: Challenge, hashed: passwords.Hashed, visitor: Visitor) -> None:
    data = one_time_codes.open_data(row)
    email = Email(data["email"], data["email"].lower())
    take_turns(registration.turn(email.canonical))
    one_time_codes.consume(row.id)
    one_time_codes.forget(registration.PURPOSE, email.canonical)
    user = users.create(email, {})
    user.email_verified_at = clock.now()
    passwords.store(user.id, hashed)
    roles.grant(user.id, data["role"])
    record(events.Invitation.ACCEPTED, visitor, user_id=user.id, role=data["role"])
