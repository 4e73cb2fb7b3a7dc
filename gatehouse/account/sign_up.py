"""Asking for an account with a password or with a passkey, and what comes with its proof."""

from typing import Any

from gatehouse.account import passkey_sign_up, registration
from gatehouse.account.access_revocation import claim
from gatehouse.core import crypto
from gatehouse.database.session import writing
from gatehouse.mfa.webauthn import ceremonies
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Challenge


def ask(form: dict[str, Any], visitor: Visitor) -> None:
    """Ask for an account (see `registration.ask`); `form` has `password`, or `passkey`.

    A passkey is judged before anybody looks whether the address is known, and used up with it.

    Raises:
        ValidationFailed: the password is not good enough.
        UsernameTaken: usernames are public.
        MalformedCredential, PasskeyRefused, AuthenticatorNotAllowed: the passkey breaks a rule.
    """
    if "passkey" not in form:
        registration.ask(form, visitor)
        return
    users.require_free(form.get("username"))
    passkey = passkey_sign_up.judge(form["passkey"])
    holder = crypto.digest(form["passkey"]["registration_token"])
    with writing():
        ceremonies.use_up(passkey.answered)
        registration.wait(form | {"passkey": passkey.kept, "holder": holder}, visitor)


def activate(row: Challenge, visitor: Visitor) -> list[str]:
    """Make the account of a registration that was proved; return recovery codes, if it has any.

    Raises:
        RegistrationProofFailed: somebody was quicker.
        UsernameTaken: somebody took the username meanwhile.
        PasskeyRefused: somebody has the passkey meanwhile.
    """
    kept = one_time_codes.open_data(row).get("passkey")
    with writing():
        user = registration.activate(row, visitor, claim)
        if kept is None:
            return []
        return passkey_sign_up.keep(user, kept, visitor)
