"""Activation of a pending registration: from its code or link to an account.

It needs the registration token or the password, too: the owner of an e-mail address who enters the
code of another's registration must not activate an account that an attacker prepared.
"""

from sqlalchemy.exc import IntegrityError

from gatehouse.account import passkey_sign_up
from gatehouse.account.access_revocation import take_ownership
from gatehouse.account.pending_registration import REGISTRATION_CODE, RegistrationData
from gatehouse.account.registration import create_user, set_password
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.core.events import PasswordChanged, publish
from gatehouse.database.session import advisory_lock, db, end_transaction, write_transaction
from gatehouse.one_time_codes import locks, redeeming, requester
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import attributes, registration_policy
from gatehouse.users import service as users
from gatehouse.users.errors import EmailVerificationFailed, RegistrationPasswordWrong
from gatehouse.users.identifiers import Email
from gatehouse.users.profile_schema import USER
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User


def find_by_token(email: Email, code: str, registration_token: str) -> OneTimeCode:
    """Return the registration that a registration token selects, if the code is its own.

    The attempt is counted for this registration alone.

    Raises:
        EmailVerificationFailed: the token or the code is wrong, or its attempts are used up.
    """
    purpose = REGISTRATION_CODE.purpose
    try:
        row = requester.verify_code_with_token(purpose, email.canonical, registration_token, code)
    except InvalidCode:
        raise EmailVerificationFailed from None
    data = one_time_codes.load_data(row, RegistrationData)
    is_own = row.requester_digest or data.registration_token_digest == crypto.digest(
        registration_token
    )
    if not is_own or data.email.lower() != email.canonical:
        raise EmailVerificationFailed
    return row


def get_code(token: str) -> str:
    """Return the code that belongs to the link of a sign-up with a passkey; consumes nothing.

    Raises:
        EmailVerificationFailed: the link is wrong, has expired or was used before.
    """
    row = redeeming.find_link(REGISTRATION_CODE, token)
    code = one_time_codes.load_data(row, RegistrationData).code
    if code is None:
        raise EmailVerificationFailed
    return code


def verify_by_link(token: str, password: str, context: RequestContext) -> None:
    """Activate the registration of a link, with the password that was chosen at sign-up.

    Raises:
        EmailVerificationFailed: the link is wrong, has expired or was used before.
        RegistrationPasswordWrong: the link is valid, but the password is wrong.
        UsernameTaken: another user took the username in the meantime.
    """
    try:
        row = one_time_codes.attempt_with_token(REGISTRATION_CODE.purpose, token)
    except InvalidCode:
        raise EmailVerificationFailed from None
    require_password(row, password, context)
    activate(row, context)


def require_password(row: OneTimeCode, password: str, context: RequestContext) -> None:
    """Require the password that was chosen at sign-up; the attempt is counted already.

    Raises:
        EmailVerificationFailed: the registration has a passkey instead.
        RegistrationPasswordWrong: it is another password.
    """
    data = one_time_codes.load_data(row, RegistrationData)
    stored = data.password_hash
    if stored is None:
        raise EmailVerificationFailed
    end_transaction()
    try:
        with one_time_codes.refund_on_error(row.id, WrongPassword):
            passwords.verify_password(stored, password, context)
    except WrongPassword:
        raise RegistrationPasswordWrong from None


def activate(row: OneTimeCode, context: RequestContext) -> list[str]:
    """Create the account of a verified registration; return its recovery codes, if any.

    Raises:
        EmailVerificationFailed: the registration was already used, or the address has an account.
        UsernameTaken: another user took the username in the meantime.
        PasskeyRejected: the passkey was enrolled elsewhere in the meantime.
        RegistrationClosed: users can no longer sign up themselves.
    """
    registration_policy.require_open_registration()
    registration_data = one_time_codes.load_data(row, RegistrationData).passkey
    with write_transaction():
        user = _create_account(row, context)
        if registration_data is None:
            return []
        context = context.authenticated_as(user.id)
        return passkey_sign_up.attach_passkey(user, registration_data, context)


def _create_account(row: OneTimeCode, context: RequestContext) -> User:
    """Create the account of a registration whose code, or link and password, were correct.

    An existing account whose e-mail address was never verified, as after an import, is taken over.

    Raises:
        EmailVerificationFailed: the registration was already used, or the address has an account.
        UsernameTaken: another user took the username in the meantime.
    """
    data = one_time_codes.load_data(row, RegistrationData)
    purpose, canonical = REGISTRATION_CODE.purpose, data.email.lower()
    try:
        with write_transaction():
            _lock_account(canonical)
            one_time_codes.lock_for_subject(purpose, canonical)
            one_time_codes.consume(row.id)
            one_time_codes.delete_for_subject(purpose, canonical)
            existing = _take_over_unverified(canonical, data, context)
            user = existing or create_user(data, context)
            user.email_verified_at = clock.now()
            record(events.Registration.VERIFIED, context.authenticated_as(user.id), user_id=user.id)
    except (IntegrityError, InvalidCode):
        raise EmailVerificationFailed from None
    return user


def _lock_account(canonical: str) -> None:
    """Lock the account of an e-mail address, if there is one, then the address."""
    user_id = db.session.scalar(users.SELECT_ID_BY_EMAIL, {"canonical": canonical})
    if user_id:
        advisory_lock(users.lock_key(user_id))
    locks.lock_recipient(canonical)


def _take_over_unverified(
    canonical: str, data: RegistrationData, context: RequestContext
) -> User | None:
    """Take over the account whose e-mail address was never verified, if there is one.

    It comes from an import, or from GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL.
    """
    user = users.find_by_email(canonical)
    if user is None:
        return None
    if user.email_verified_at:
        raise EmailVerificationFailed
    take_ownership(user, context.authenticated_as(user.id))
    set_password(user, data)
    attributes.set_accepted(user, data.attributes, USER)
    publish(PasswordChanged(user.id, context.authenticated_as(user.id), "ownership_verified"))
    return user
