"""Sign-up with a passkey instead of a password.

Nothing here depends on whether the e-mail address has an account. The user handle is random for
each ceremony: if it were derived from the e-mail address, the authenticator of a user who has an
account would replace that account's passkey with one that never works.
"""

from dataclasses import dataclass
from typing import Any

from gatehouse.account.forms import NewPasskeyForm
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, end_transaction
from gatehouse.mfa import registry, service
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import SIGN_UP, AnsweredChallenge, Ceremony
from gatehouse.mfa.webauthn.errors import PasskeyRejected
from gatehouse.mfa.webauthn.options import UserEntity
from gatehouse.mfa.webauthn.passkey import from_json
from gatehouse.mfa.webauthn.verification import (
    ExpectedResponse,
    VerifiedPasskey,
    verify_registration,
)
from gatehouse.users import registration_policy
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import Credential, User


@dataclass(frozen=True)
class VerifiedSignUpPasskey:
    """A verified passkey whose account does not exist yet."""

    challenge: AnsweredChallenge
    registration_data: dict[str, object]
    """JSON for the pending registration; `attach_passkey` creates a credential from it."""


def create_options(email: Email, name: str | None) -> dict[str, object]:
    """Return the options for a new passkey, and the `registration_token` to send with it.

    Stores the challenge, in the current transaction.

    Raises:
        RegistrationClosed: users cannot sign up themselves.
        ValidationFailed: the domain of the e-mail address is not allowed.
        FactorUnavailable: passkeys are not enabled.
    """
    registration_policy.require_sign_up(email)
    registry.get_factor(passkey_store.KIND)
    registration_token, handle = crypto.random_token(), crypto.random_token()
    challenge = ceremonies.create_challenge(
        Ceremony(SIGN_UP, registration_token), {"user_handle": handle}
    )
    public_key = options.creation_options(
        challenge,
        UserEntity(handle, email.as_written, name or email.as_written),
        [],
        user_verification_required=True,
    )
    expires_in = int(options.LIFETIME.total_seconds())
    token = {"registration_token": registration_token, "expires_in": expires_in}
    return token | {"public_key": public_key}


def verify_passkey(form: NewPasskeyForm) -> VerifiedSignUpPasskey:
    """Verify the new passkey of a sign-up form; it must verify the user, as it signs in alone.

    Raises:
        FactorUnavailable: passkeys are not enabled.
        MalformedCredential, PasskeyRejected: the credential is malformed, or not valid.
        AuthenticatorNotAllowed: the operator does not allow this authenticator model.
    """
    registry.get_factor(passkey_store.KIND)
    credential = form.credential
    challenge = ceremonies.find_challenge(Ceremony(SIGN_UP, form.registration_token), credential)
    end_transaction()
    expected = ExpectedResponse(challenge.challenge, user_verification_required=True)
    verified = verify_registration(credential, expected, challenge.data["user_handle"])
    # WebAuthn section 7.1 step 26
    if passkey_store.find_by_credential_id(verified.passkey.credential_id):
        raise PasskeyRejected(reason="credential id known")
    data = {"label": form.label, "counter": verified.counter}
    return VerifiedSignUpPasskey(challenge, data | {"passkey": verified.passkey.to_json()})


def attach_passkey(
    user: User, registration_data: dict[str, Any], context: RequestContext
) -> list[str]:
    """Add the passkey of a registration to its new account; return the recovery codes.

    Raises:
        PasskeyRejected: the passkey was enrolled elsewhere in the meantime.
    """
    row = Credential(id=crypto.new_id(), user_id=user.id, kind=passkey_store.KIND)
    row.label, row.created_at = registration_data["label"], clock.now()
    db.session.add(row)
    passkey_store.save_registration(
        row,
        VerifiedPasskey(
            from_json(registration_data["passkey"]),
            registration_data["counter"],
            user_verified=True,
        ),
    )
    return service.activate(row, context)
