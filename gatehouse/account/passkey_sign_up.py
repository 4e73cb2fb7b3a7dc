"""Passkeys of people who have no account yet: made while registering, instead of a password.

Nothing here asks whether an address is known. The user handle is new for each ceremony: one that
an address determined would let the authenticator of somebody who has an account replace the passkey
of that account by one that leads nowhere.
"""

from dataclasses import dataclass
from typing import Any

from gatehouse.core import clock, crypto
from gatehouse.database.session import db, release
from gatehouse.mfa import registry, service
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import SIGN_UP, Answered, Ceremony
from gatehouse.mfa.webauthn.errors import PasskeyRefused
from gatehouse.mfa.webauthn.options import Owner
from gatehouse.mfa.webauthn.passkey import read
from gatehouse.mfa.webauthn.verification import Asked, Made, require_made
from gatehouse.web.request_context import Visitor
from models import Credential, User


@dataclass(frozen=True)
class NewPasskey:
    """A passkey that was judged, and belongs to nobody yet."""

    answered: Answered
    kept: dict[str, Any]
    """JSON for the registration that it is part of; `keep` makes a credential of it."""


def ask(address: str, name: str | None) -> dict[str, Any]:
    """Return the options for a passkey, and the token that the answer works together with.

    Writes the challenge, in the current transaction.

    Raises:
        FactorNotOffered: there are no passkeys here.
    """
    registry.piece(passkey_store.KIND)
    registration_token, handle = crypto.token(), crypto.token()
    challenge = ceremonies.begin(Ceremony(SIGN_UP, registration_token), {"user_handle": handle})
    public_key = options.creation(
        challenge, Owner(handle, address, name or address), [], alone=True
    )
    expires_in = int(options.LIFETIME.total_seconds())
    told = {"registration_token": registration_token, "expires_in": expires_in}
    return told | {"public_key": public_key}


def judge(form: dict[str, Any]) -> NewPasskey:
    """Return the passkey that answers what was asked together with this token; it signs in alone.

    Raises:
        FactorNotOffered: there are no passkeys here.
        MalformedCredential, PasskeyRefused: it breaks a rule.
        AuthenticatorNotAllowed: it is not one that the operator allows.
    """
    registry.piece(passkey_store.KIND)
    answer = form["credential"]
    answered = ceremonies.find(Ceremony(SIGN_UP, form["registration_token"]), answer)
    release()
    asked = Asked(answered.challenge, alone=True)
    made = require_made(answer, asked, answered.data["user_handle"])
    if passkey_store.find(made.passkey.credential_id):  # WebAuthn section 7.1 step 26
        raise PasskeyRefused(why="credential id known")
    kept = {"label": form["label"], "counter": made.counter, "passkey": made.passkey.written()}
    return NewPasskey(answered, kept)


def keep(user: User, kept: dict[str, Any], visitor: Visitor) -> list[str]:
    """Give an account, which is new, the passkey of its registration; return its recovery codes.

    Raises:
        PasskeyRefused: somebody has it meanwhile.
    """
    row = Credential(id=crypto.new_id(), user_id=user.id, kind=passkey_store.KIND)
    row.label, row.created_at = kept["label"], clock.now()
    db.session.add(row)
    passkey_store.complete(row, Made(read(kept["passkey"]), kept["counter"], verified=True))
    return service.let_count(row, visitor)
