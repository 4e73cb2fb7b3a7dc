"""Registering a passkey: asked by a session, answered in the same one."""

from typing import Any
from uuid import UUID

from gatehouse.accounts import service as accounts
from gatehouse.accounts.errors import AccountGone
from gatehouse.foundation import clock, crypto
from gatehouse.foundation.database import db, release, writing
from gatehouse.mfa.passkeys import ceremonies, keeping, options
from gatehouse.mfa.passkeys.ceremonies import CREATE, Ceremony
from gatehouse.mfa.passkeys.forms import Answer
from gatehouse.mfa.passkeys.judgement import Asked, Made, require_made
from gatehouse.tokens.service import AccessToken
from models import Credential


def ask(caller: AccessToken, alone: bool) -> dict[str, Any]:
    """Return the options for a new passkey; writes the challenge in one transaction.

    `alone` wants one that can sign in without anything else.
    """
    with writing():
        user = accounts.get(UUID(caller.sub))
        if user is None:
            raise AccountGone
        mine = keeping.of(user.id)
        owner = keeping.owner(user, mine)
        kept = {"user_handle": owner.handle, "alone": alone}
        challenge = ceremonies.begin(_ceremony(caller), kept)
        return options.creation(challenge, owner, mine, alone)


def register(caller: AccessToken, answer: Answer, label: str) -> Any:
    """Write the passkey that answers what this session asked, and return its row.

    Raises:
        MalformedCredential, PasskeyRefused: it breaks a rule.
        AuthenticatorNotAllowed: it is not one that the operator allows.
    """
    answered = ceremonies.find(_ceremony(caller), answer)
    release()
    made = _made(answered, answer)
    with writing():
        ceremonies.use_up(answered)
        row = Credential(
            id=crypto.new_id(), user_id=UUID(caller.sub), kind=keeping.KIND, label=label
        )
        row.confirmed_at = clock.now()
        db.session.add(row)
        keeping.complete(row, made)
        return row


def _made(answered: ceremonies.Answered, answer: Answer) -> Made:
    asked = Asked(answered.challenge, answered.data["alone"])
    return require_made(answer, asked, answered.data["user_handle"])


def _ceremony(caller: AccessToken) -> Ceremony:
    return Ceremony(CREATE, caller.sid)
