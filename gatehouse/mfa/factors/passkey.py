"""Passkeys as a second factor; user verification is preferred, not required."""

from collections.abc import Sequence
from dataclasses import replace

from marshmallow import fields

from gatehouse.mfa import credential_store
from gatehouse.mfa.factor import (
    ChallengeState,
    Enrolment,
    Factor,
    FactorChallenge,
    FactorResponse,
    VerifiedFactor,
)
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import CREATE, SECOND_FACTOR, Ceremony
from gatehouse.mfa.webauthn.errors import PasskeyRejected
from gatehouse.mfa.webauthn.forms import BrowserCredential
from gatehouse.mfa.webauthn.verification import (
    ExpectedResponse,
    verify_assertion,
    verify_registration,
)
from gatehouse.web.fields import Form
from gatehouse.web.request_context import RequestContext
from models import Credential, User


class PasskeyResponse(Form):
    """The response of a passkey."""

    form_type = FactorResponse

    credential = fields.Nested(BrowserCredential, required=True)


class PasskeyFactor:
    """A user can have several, each with a label."""

    schema: type[Form] = PasskeyResponse
    amr: tuple[str, ...] = ("swk",)  # the weakest kind of passkey
    strong = True
    needs_phone = False
    next_after_failure = ""

    def enrol(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> Enrolment:
        """Return creation options that exclude authenticators with an enrolled passkey."""
        passkeys = [passkey_store.load(row) for row in enrolled]
        entity = passkey_store.user_entity(user, passkeys)
        challenge = ceremonies.create_challenge(Ceremony(CREATE, str(user.id)))
        public_key = options.creation_options(challenge, entity, passkeys, False)
        pending = {"challenge": challenge, "user_handle": entity.handle}
        return Enrolment(pending, {"public_key": public_key})

    def confirm(self, row: Credential, response: FactorResponse) -> None:
        """Verify the passkey that the browser created and complete the row with it.

        Raises:
            MalformedCredential, PasskeyRejected: the credential breaks a rule of WebAuthn.
            AuthenticatorNotAllowed: the operator does not allow this authenticator.
        """
        pending = credential_store.load_data(row)
        challenge, credential = pending["challenge"], response.credential
        ceremonies.consume_expected(Ceremony(CREATE, str(row.user_id)), credential, challenge)
        registration = verify_registration(
            credential, ExpectedResponse(challenge, False), pending["user_handle"]
        )
        passkey_store.save_registration(row, registration)

    def challenge(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> FactorChallenge:
        """Return request options for the user's passkeys."""
        passkeys = [passkey_store.load(row) for row in enrolled]
        challenge = ceremonies.create_challenge(Ceremony(SECOND_FACTOR, str(user.id)))
        public = {"public_key": options.request_options(challenge, passkeys, False)}
        return FactorChallenge(public, {"challenge": challenge})

    def verify(
        self,
        enrolled: Sequence[Credential],
        response: FactorResponse,
        state: ChallengeState,
        context: RequestContext,
    ) -> VerifiedFactor:
        """Verify the signature of one of the enrolled passkeys over the challenge.

        Raises:
            MalformedCredential, PasskeyRejected: no enrolled passkey signed this challenge.
            PasskeyCloned: the signature counter did not increase.
        """
        credential = response.credential
        row = _find_enrolled(enrolled, credential["id"])
        with passkey_store.audit_context(row):
            challenge = state.get("challenge", "")
            ceremonies.consume_expected(
                Ceremony(SECOND_FACTOR, str(row.user_id)), credential, challenge
            )
            passkey = passkey_store.load(row)
            assertion = verify_assertion(
                credential, ExpectedResponse(challenge, False), passkey, row.counter
            )
            row.counter = assertion.counter
            passkey_store.save(row, replace(passkey, backed_up=assertion.backed_up))
        amr = (passkey.amr, "mfa") if assertion.user_verified else (passkey.amr,)
        return VerifiedFactor(row, amr)


def _find_enrolled(enrolled: Sequence[Credential], credential_id: str) -> Credential:
    """Return the enrolled passkey with this credential id (WebAuthn section 7.2 step 5)."""
    lookup = passkey_store.lookup_digest(credential_id)
    for row in enrolled:
        if row.lookup == lookup:
            return row
    raise PasskeyRejected(reason="passkey unknown, or of another user")


plugin: Factor = PasskeyFactor()
