"""Sign-up with a password or a passkey, and activation of the account."""

from typing import Any

from gatehouse.account import passkey_sign_up, registration
from gatehouse.account.access_revocation import take_ownership
from gatehouse.core import crypto, i18n
from gatehouse.database.session import end_transaction, write_transaction
from gatehouse.mfa.webauthn import ceremonies
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.users import service as users
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode


def request_account(form: dict[str, Any], context: RequestContext) -> None:
    """Store a pending registration and send its e-mail; `form` has `password` or `passkey`.

    A passkey is verified before the e-mail address is looked up; its challenge is consumed in the
    transaction that stores the registration.

    Raises:
        ValidationFailed: the password breaks the password policy.
        UsernameTaken: another user has the username; usernames are public.
        MalformedCredential, PasskeyRejected, AuthenticatorNotAllowed: the passkey is not valid.
    """
    if "passkey" not in form:
        _register_with_password(form, context)
        return
    users.require_free_username(form.get("username"))
    passkey = passkey_sign_up.verify_passkey(form["passkey"])
    token_digest = crypto.digest(form["passkey"]["registration_token"])
    with write_transaction():
        ceremonies.consume_challenge(passkey.challenge)
        registration.create_pending_registration(
            form | {"passkey": passkey.registration_data, "holder": token_digest}, context
        )


def _register_with_password(form: dict[str, Any], context: RequestContext) -> None:
    """Store a pending registration; `form` has `email` (Email), `password` and profile fields.

    Raises:
        ValidationFailed: the password breaks the password policy.
        UsernameTaken: another user has the username; usernames are public.
    """
    email: Email = form["email"]
    personal = [email.as_written, *(form.get(field) for field in registration.PROFILE_FIELDS)]
    translate = i18n.choose_language(form.get("locale"), context.accept_language).gettext
    passwords.require_acceptable_password(form["password"], personal, translate=translate)
    users.require_free_username(form.get("username"))
    end_transaction()
    password_hash = passwords.hash_password(form["password"], context)
    stored = {"hash": password_hash.hash, "pepper": password_hash.pepper}
    registration.create_pending_registration(form | stored, context)


def activate_account(row: OneTimeCode, context: RequestContext) -> list[str]:
    """Create the account of a verified registration; return its recovery codes, if any.

    Raises:
        EmailVerificationFailed: the registration was already used, or the address has an account.
        UsernameTaken: another user took the username in the meantime.
        PasskeyRejected: the passkey was enrolled elsewhere in the meantime.
    """
    registration_data = one_time_codes.decrypt_data(row).get("passkey")
    with write_transaction():
        user = registration.activate(row, context, take_ownership)
        if registration_data is None:
            return []
        return passkey_sign_up.attach_passkey(user, registration_data, context)
