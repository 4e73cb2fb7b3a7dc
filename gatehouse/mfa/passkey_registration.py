"""Registration of a passkey for passwordless login, in one and the same session."""

from uuid import UUID

from gatehouse.core import clock, crypto
from gatehouse.database.session import db, end_transaction, write_transaction
from gatehouse.mfa import credential_store, registry, service
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import CREATE, Ceremony
from gatehouse.mfa.webauthn.forms import CredentialJson
from gatehouse.mfa.webauthn.verification import ExpectedResponse, verify_registration
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted
from gatehouse.web.request_context import RequestContext
from models import Credential


def create_options(caller: AccessToken) -> dict[str, object]:
    """Return the options for a new passkey, and store their challenge.

    Raises:
        FactorUnavailable: passkeys are not enabled.
        TooManyFactors: the user has as many factors as allowed.
    """
    registry.get_factor(passkey_store.KIND)
    with write_transaction():
        user = users.get_user(UUID(caller.sub))
        if user is None:
            raise AccountDeleted
        service.require_capacity(credential_store.list_confirmed(user.id))
        passkeys = passkey_store.list_passkeys(user.id)
        entity = passkey_store.user_entity(user, passkeys)
        challenge = ceremonies.create_challenge(_ceremony(caller), {"user_handle": entity.handle})
        return options.creation_options(
            challenge, entity, passkeys, user_verification_required=True
        )


def register_passkey(
    caller: AccessToken, credential: CredentialJson, label: str, context: RequestContext
) -> dict[str, object]:
    """Verify and save the passkey that was created for this session's options.

    Returns:
        The same as `service.confirm_factor`.

    Raises:
        MalformedCredential, PasskeyRejected: the credential breaks a rule of WebAuthn.
        AuthenticatorNotAllowed: the operator does not allow this authenticator.
    """
    answered = ceremonies.find_challenge(_ceremony(caller), credential)
    end_transaction()
    expected = ExpectedResponse(answered.challenge, user_verification_required=True)
    registration = verify_registration(credential, expected, answered.data["user_handle"])
    with write_transaction():
        ceremonies.consume_challenge(answered)
        row = Credential(id=crypto.new_id(), user_id=UUID(caller.sub), kind=passkey_store.KIND)
        row.label, row.created_at = label, clock.now()
        db.session.add(row)
        passkey_store.save_registration(row, registration)
        return service.confirm_passkey(caller, row, context)


def _ceremony(caller: AccessToken) -> Ceremony:
    return Ceremony(CREATE, caller.sid)
