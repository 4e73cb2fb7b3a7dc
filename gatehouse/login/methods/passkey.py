"""A passkey and nothing else: it says who somebody is, and verifies that it is them."""

from functools import partial
from typing import Any

from marshmallow import Schema, fields

from gatehouse.core import crypto
from gatehouse.database.session import release
from gatehouse.login.method import LoginForm, Proof
from gatehouse.mfa import registry
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import SIGN_IN, Ceremony
from gatehouse.mfa.webauthn.errors import PasskeyRefused
from gatehouse.mfa.webauthn.forms import BrowserCredential
from gatehouse.mfa.webauthn.verification import Asked, Signed, require_signed
from gatehouse.web.fields import Text
from gatehouse.web.request_context import Visitor
from models import Credential


class PasskeyLogin(LoginForm):
    """What a passkey answered, and the token that its options came with."""

    login_token = Text(64, required=True, metadata={"description": "of the options"})
    credential = fields.Nested(BrowserCredential, required=True)


class PasskeyMethod:
    """Nobody is named before the passkey does it, so options are the same for everybody."""

    schema: type[Schema] = PasskeyLogin

    def ask(self) -> dict[str, Any]:
        """Write a challenge for whoever holds its login token, in the current transaction.

        Raises:
            FactorNotOffered: there are no passkeys here.
        """
        registry.piece(passkey_store.KIND)
        login_token = crypto.token()
        challenge = ceremonies.begin(Ceremony(SIGN_IN, login_token))
        public_key = options.request(challenge, [], alone=True)
        expires_in = int(options.LIFETIME.total_seconds())
        return {"login_token": login_token, "expires_in": expires_in, "public_key": public_key}

    def prove(self, form: dict[str, Any], visitor: Visitor) -> Proof:
        """Return whose passkey it is; the challenge is used up in the transaction that follows.

        Raises:
            FactorNotOffered: there are no passkeys here.
            MalformedCredential, PasskeyRefused: nothing was proved.
            PasskeyCopied: perhaps somebody has a copy of it.
        """
        registry.piece(passkey_store.KIND)
        answer = form["credential"]
        answered = ceremonies.find(Ceremony(SIGN_IN, form["login_token"]), answer)
        row = passkey_store.find(answer["id"])
        if row is None or not answer["response"].get("userHandle"):  # section 7.2 step 6
            raise PasskeyRefused(why="passkey unknown")
        release()
        passkey = passkey_store.opened(row)
        with passkey_store.telling_whose(row):
            signed = require_signed(answer, Asked(answered.challenge, True), passkey, row.counter)
        spend = partial(_spend, answered, row, signed)
        return Proof(row.user_id, (passkey.amr, "mfa"), spend=spend)


def _spend(answered: ceremonies.Answered, row: Credential, signed: Signed) -> None:
    with passkey_store.telling_whose(row):
        ceremonies.use_up(answered)
        passkey_store.note(row.id, signed)


piece = PasskeyMethod()
