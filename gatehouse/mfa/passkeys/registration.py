"""Registering a passkey that signs in alone: asked by a session, answered in the same one."""

from typing import Any
from uuid import UUID

from gatehouse.accounts import service as accounts
from gatehouse.accounts.errors import AccountGone
from gatehouse.foundation import clock, crypto
from gatehouse.foundation.database import db, release, writing
from gatehouse.foundation.visitor import Visitor
from gatehouse.mfa import credentials, service, shelf
from gatehouse.mfa.passkeys import ceremonies, keeping, options
from gatehouse.mfa.passkeys.ceremonies import CREATE, Ceremony
from gatehouse.mfa.passkeys.forms import Answer
from gatehouse.mfa.passkeys.judgement import Asked, require_made
from gatehouse.tokens.service import AccessToken
from models import Credential


def ask(caller: AccessToken) -> dict[str, Any]:
    """Return the options for a new passkey; writes the challenge in one transaction.

    Raises:
        FactorNotOffered: there are no passkeys here.
        TooManyFactors: the person has enough.
    """
    shelf.piece(keeping.KIND)
    with writing():
        user = accounts.get(UUID(caller.sub))
        if user is None:
            raise AccountGone
        service.require_room(credentials.held(user.id))
        mine = keeping.of(user.id)
        owner = keeping.owner(user, mine)
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
        row = Credential(id=crypto.new_id(), user_id=UUID(caller.sub), kind=keeping.KIND)
        row.label, row.created_at = label, clock.now()
        db.session.add(row)
        keeping.complete(row, made)
        return service.welcome(caller, row, visitor)


def _ceremony(caller: AccessToken) -> Ceremony:
    return Ceremony(CREATE, caller.sid)
