"""Registering a passkey that signs in alone: asked by a session, answered in the same one."""

from typing import Any
from uuid import UUID

from gatehouse.core import clock, crypto
from gatehouse.database.session import db, release, writing
from gatehouse.mfa import credential_store, registry, service
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import CREATE, Ceremony
from gatehouse.mfa.webauthn.forms import Answer
from gatehouse.mfa.webauthn.verification import Asked, require_made
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.users.errors import AccountGone
from gatehouse.web.request_context import Visitor
from models import Credential


def ask(caller: AccessToken) -> dict[str, Any]:
    """Return the options for a new passkey; writes the challenge in one transaction.

    Raises:
        FactorNotOffered: there are no passkeys here.
        TooManyFactors: the person has enough.
    """
    registry.piece(passkey_store.KIND)
    with writing():
        user = users.get(UUID(caller.sub))
        if user is None:
            raise AccountGone
        service.require_room(credential_store.held(user.id))
        mine = passkey_store.of(user.id)
        owner = passkey_store.owner(user, mine)
        challenge = ceremonies.begin(_ceremony(caller), {"user_handle": owner.handle})
        return options.creation(challenge, owner, mine, alone=True)


def register(caller: AccessToken, answer: Answer, label: str, visitor: Visitor) -> dict[str, Any]:
    """Write the passkey that answers what this session asked; return what `confirm` does.

    Raises:
        MalformedCredential, PasskeyRefused: it breaks a rule.
        AuthenticatorNotAllowed: it is not one that the operator allows.
    """
    answered = ceremonies.find(_ceremony(caller), answer)
    release()
    handle = answered.data["user_handle"]
    made = require_made(answer, Asked(answered.challenge, alone=True), handle)
    with writing():
        ceremonies.use_up(answered)
        row = Credential(id=crypto.new_id(), user_id=UUID(caller.sub), kind=passkey_store.KIND)
        row.label, row.created_at = label, clock.now()
        db.session.add(row)
        passkey_store.complete(row, made)
        return service.welcome(caller, row, visitor)


def _ceremony(caller: AccessToken) -> Ceremony:
    return Ceremony(CREATE, caller.sid)
