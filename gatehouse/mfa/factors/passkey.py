"""Passkeys as a second factor: what they prove here, they prove beside something else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from marshmallow import fields

from gatehouse.mfa import credential_store
from gatehouse.mfa.factor import Enrolment, Factor, Proof, Proved, Question
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import CREATE, SECOND_FACTOR, Ceremony
from gatehouse.mfa.webauthn.errors import PasskeyRefused
from gatehouse.mfa.webauthn.forms import BrowserCredential
from gatehouse.mfa.webauthn.verification import Asked, require_made, require_signed
from gatehouse.web.fields import Form
from gatehouse.web.request_context import Visitor
from models import Credential, User


class PasskeyProof(Form):
    """What a passkey answered."""

    credential = fields.Nested(BrowserCredential, required=True)


class Passkeys:
    """Several for a person; each has a name of their own."""

    schema: type[Form] = PasskeyProof
    amr: tuple[str, ...] = ("swk",)  # what the weakest of them proves
    strong = True

    def enrol(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Enrolment:
        """Ask the browser for one more; an authenticator that holds one already is left out."""
        mine = [passkey_store.opened(row) for row in held]
        owner = passkey_store.owner(user, mine)
        challenge = ceremonies.begin(Ceremony(CREATE, str(user.id)))
        asked = {"challenge": challenge, "user_handle": owner.handle}
        return Enrolment(asked, {"public_key": options.creation(challenge, owner, mine, False)})

    def confirm(self, row: Credential, proof: Proof) -> None:
        """Complete the row with the passkey that the browser made.

        Raises:
            MalformedCredential, PasskeyRefused, AuthenticatorNotAllowed: it breaks a rule.
        """
        asked = credential_store.read(row)
        answer = proof["credential"]
        ceremonies.claim(Ceremony(CREATE, str(row.user_id)), answer, asked["challenge"])
        made = require_made(answer, Asked(asked["challenge"], False), asked["user_handle"])
        passkey_store.complete(row, made)

    def ask(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Question:
        """Ask for a signature of one of the person's passkeys."""
        mine = [passkey_store.opened(row) for row in held]
        challenge = ceremonies.begin(Ceremony(SECOND_FACTOR, str(user.id)))
        shown = {"public_key": options.request(challenge, mine, False)}
        return Question(shown, {"challenge": challenge})

    def verify(
        self, held: Sequence[Credential], proof: Proof, asked: dict[str, Any], visitor: Visitor
    ) -> Proved:
        """Return which passkey has signed the challenge.

        Raises:
            MalformedCredential, PasskeyRefused: none of these has, or not for this login.
            PasskeyCopied: perhaps somebody has a copy of it.
        """
        answer = proof["credential"]
        row = _named(held, answer["id"])
        with passkey_store.telling_whose(row):
            challenge = asked.get("challenge", "")
            ceremonies.claim(Ceremony(SECOND_FACTOR, str(row.user_id)), answer, challenge)
            passkey = passkey_store.opened(row)
            signed = require_signed(answer, Asked(challenge, False), passkey, row.counter)
            row.counter = signed.counter
            passkey_store.keep(row, replace(passkey, backed_up=signed.backed_up))
        return Proved(row, (passkey.amr, "mfa") if signed.verified else (passkey.amr,))


def _named(held: Sequence[Credential], credential_id: str) -> Credential:
    """Return the passkey that was named, if it is one of these (WebAuthn section 7.2 step 5)."""
    named = passkey_store.lookup(credential_id)
    for row in held:
        if row.lookup == named:
            return row
    raise PasskeyRefused(why="passkey of somebody else, or unknown")


piece: Factor = Passkeys()
