"""Verification of an e-mail address: that of a sign-up, or the new one of an account.

A code or a link alone verifies nothing, or its reader would complete what a stranger has prepared.
With it comes what only the client that requested it has: the registration token, the password, or
a session of the account whose address changes.
"""

from contextlib import suppress
from uuid import UUID

from gatehouse.account import activation, email_change
from gatehouse.account.email_change import CHANGE_CODE, EmailChangePasswordWrong
from gatehouse.account.pending_registration import REGISTRATION_CODE
from gatehouse.one_time_codes import redeeming
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import count_code_attempt
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode


def verify_with_token(
    email: Email, code: str, registration_token: str, context: RequestContext
) -> list[str]:
    """Verify the address of the sign-up that a registration token selects.

    Returns:
        The recovery codes of an account created with a passkey, else an empty list.

    Raises:
        EmailVerificationFailed: the token or the code is wrong, or its attempts are used up.
        UsernameTaken: another user took the username in the meantime.
    """
    return activation.activate(activation.find_by_token(email, code, registration_token), context)


def verify_with_password(email: Email, code: str, password: str, context: RequestContext) -> None:
    """Verify the address of the sign-up or change that a code selects, with its password.

    Raises:
        EmailVerificationFailed: no code matches, or the attempts are used up.
        InvalidCredentials: the code is correct, but the password is wrong.
        TooManyAttempts: too many codes for this address were wrong; this one was not evaluated.
        UsernameTaken: another user took the username in the meantime.
    """
    with count_code_attempt(CHANGE_CODE, users.find_counted_account(email.canonical), context):
        row = _find_by_code(email, code)
    if row.purpose == REGISTRATION_CODE.purpose:
        activation.require_password(row, password, context)
        activation.activate(row, context)
    elif row.user_id:
        with one_time_codes.refund_on_error(row.id, EmailChangePasswordWrong):
            email_change.require_password(row.user_id, password, context)
        email_change.apply_change(row, context)


def verify_with_session(
    caller: AccessToken, email: Email, code: str, context: RequestContext
) -> None:
    """Verify the new address of the caller's account.

    Raises:
        EmailVerificationFailed: the caller requested no such change, or the code is wrong.
        TooManyAttempts: too many codes of this account were wrong; this one was not evaluated.
    """
    user_id = UUID(caller.sub)
    with count_code_attempt(CHANGE_CODE, user_id, context):
        row = email_change.find_by_user(user_id, email, code)
    email_change.apply_change(row, context)


def verify_by_link(token: str, password: str, context: RequestContext) -> None:
    """Verify an e-mail address with the link of a sign-up or e-mail change, and the password.

    Raises:
        EmailVerificationFailed: the link is wrong, has expired or was used before.
        InvalidCredentials: the link is valid, but the password is wrong.
        TooManyAttempts: too many passwords were wrong; this one was not evaluated.
        UsernameTaken: another user took the username in the meantime.
    """
    row = one_time_codes.find_by_token(CHANGE_CODE.purpose, token)
    if row is None or row.user_id is None:
        activation.verify_by_link(token, password, context)
        return
    email_change.require_password(row.user_id, password, context)
    email_change.apply_change(row, context)


def _find_by_code(email: Email, code: str) -> OneTimeCode:
    """Return the matching code; both types are always tried, so that timing reveals neither."""
    matches = []
    for code_type in (REGISTRATION_CODE, CHANGE_CODE):
        with suppress(InvalidCode):
            matches.append(redeeming.verify_code(code_type, email.canonical, code))
    if not matches:
        raise InvalidCode
    return matches[0]
