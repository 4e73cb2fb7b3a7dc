"""Another e-mail address: proved where it is, told to the old one, and undone from there."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import email_change_revert, registration, sign_up
from gatehouse.account.access_revocation import claim
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import take_turns, writing
from gatehouse.messaging import outbox, recipient_limits
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.tokens.service import AccessToken
from gatehouse.users import code_attempts, mail_variables, notifications, password_check
from gatehouse.users import service as users
from gatehouse.users.errors import AccountGone, RegistrationProofFailed
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import Visitor
from models import Challenge, User

PURPOSE = "email_change"
LIFETIME = timedelta(hours=1)


class ChangePasswordWrong(InvalidCredentials):
    """Code or link is right, but this is not the password of the account."""

    event = events.Registration.PROOF_FAILED


@dataclass(frozen=True)
class PendingChange:
    """What the page of the link tells about the change it would make."""

    email: str
    asked_at: datetime


def ask(caller: AccessToken, email: Email, visitor: Visitor) -> None:
    """Mail a proof to the new address and a warning to the old; nothing is changed yet.

    A newer wish voids the older ones. Somebody else's address gets the same answer, and no mail.

    Raises:
        AccountGone: the account was deleted while its tokens lived.
    """
    with writing():
        user = users.get(UUID(caller.sub))
        if user is None:
            raise AccountGone
        take_turns(users.turn(user.id))
        event = _event(user, email)
        if event != events.Address.EMAIL_WITHHELD:  # then what was mailed last stays good
            one_time_codes.forget_of(user.id, PURPOSE)
        put = outbox.put if event == events.Address.EMAIL_ASKED else outbox.waste
        put(_letter(user, email, visitor), visitor)
        notifications.tell(user, "email_change_asked", {"new_address": email.address}, visitor)
        record(event, visitor, user_id=user.id)


def prove_by_code(form: dict[str, Any], visitor: Visitor) -> list[str]:
    """Prove an address with the code that was mailed there: a registration's, or a change's.

    `form` has `email` (Email) and `code`; `registration_token` where a passkey waits, or `password`
    where the code is typed elsewhere than it was asked for.

    Returns:
        The recovery codes of an account that begins with a passkey.

    Raises:
        RegistrationProofFailed: it is neither's, or the guesses are used up.
        CodeTypedElsewhere: it was asked for from elsewhere, and the password is missing.
        InvalidCredentials: the code is right, the password is not.
        TooManyAttempts: too many codes for this address were wrong; this one was not evaluated.
        UsernameTaken: somebody took the username meanwhile.
    """
    with code_attempts.counted(form["email"].canonical, visitor, RegistrationProofFailed):
        row = _guess(form["email"], form["code"])
        registration.require_holder(row, form.get("registration_token"))
    typed = form.get("password")
    if row.purpose == registration.PURPOSE:
        registration.require_asker(row, typed, visitor)
    elif row.user_id and typed is not None:
        with one_time_codes.given_back(row.id, ChangePasswordWrong):
            _require_password(row.user_id, typed, visitor)
    else:
        registration.require_place(row, visitor)
    return _activate_any(row, visitor)


def prove_by_link(token: str, typed: str, visitor: Visitor) -> None:
    """Prove an address with the link that was mailed there, and the password.

    Raises:
        RegistrationProofFailed: the link is wrong or stale.
        InvalidCredentials: the link is right, the password is not.
        TooManyAttempts: too many passwords were wrong; this one was not evaluated.
        UsernameTaken: somebody took the username meanwhile.
    """
    row = one_time_codes.by_token(PURPOSE, token)
    if row is None or row.user_id is None:
        registration.prove_by_link(token, typed, visitor, claim)
        return
    _require_password(row.user_id, typed, visitor)
    _activate_any(row, visitor)


def describe(challenge_id: UUID) -> PendingChange | None:
    """Return which address a link would prove, if it still can."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    return PendingChange(one_time_codes.open_data(row)["email"], row.created_at) if row else None


def _require_password(user_id: UUID, typed: str, visitor: Visitor) -> None:
    claimed = password_check.look(user_id, visitor)
    password_check.verify(claimed, typed, visitor, ChangePasswordWrong)


def _event(user: User, email: Email) -> events.Event:
    holder = users.by_email(email.canonical)
    if holder and holder.id != user.id:
        return events.Address.EMAIL_TAKEN
    if not recipient_limits.left(email.address, PURPOSE):
        return events.Address.EMAIL_WITHHELD
    return events.Address.EMAIL_ASKED


def _letter(user: User, email: Email, visitor: Visitor) -> Letter:
    data = {"user_id": str(user.id), "email": email.address, "old": user.email_canonical}
    data |= {"address": visitor.address}
    secrets = one_time_codes.create(PURPOSE, email.canonical, data, LIFETIME)
    variables = mail_variables.proof("confirm-email", secrets, LIFETIME)
    return Letter(email.address, PURPOSE, variables, user.locale)


def _guess(email: Email, code: str) -> Challenge:
    """Return whose code it is; both kinds are always tried, so that the time tells neither."""
    found = []
    for purpose in (registration.PURPOSE, PURPOSE):
        with suppress(one_time_codes.InvalidCode):
            found.append(one_time_codes.guess_code(purpose, email.canonical, code))
    if not found:
        raise one_time_codes.InvalidCode
    return found[0]


def _activate_any(row: Challenge, visitor: Visitor) -> list[str]:
    if row.purpose == registration.PURPOSE:
        return sign_up.activate(row, visitor)
    try:
        with writing():
            _change(row, visitor)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise RegistrationProofFailed(user_id=row.user_id) from None
    return []


def _change(row: Challenge, visitor: Visitor) -> None:
    """Give the account its new address; what was mailed or texted to it before is void.

    Raises:
        InvalidCode: the wish is stale, or the address has an account meanwhile.
    """
    data = one_time_codes.open_data(row)
    new = Email(data["email"], data["email"].lower())
    user_id = UUID(data["user_id"])
    take_turns(users.turn(user_id))
    take_turns(registration.turn(new.canonical))
    one_time_codes.consume(row.id)
    user = users.get(user_id)
    if user is None or user.email_canonical != data["old"]:
        raise one_time_codes.InvalidCode
    old, proven = user.email, user.email_verified_at
    users.take_address(user, new)
    one_time_codes.forget(registration.PURPOSE, new.canonical)
    one_time_codes.forget_of(user_id, but=notifications.KEPT)
    if proven:
        email_change_revert.offer(user, old, visitor)
    record(events.Address.EMAIL_CHANGED, visitor, user_id=user_id)
