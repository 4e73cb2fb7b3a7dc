"""Login with a passkey alone: a discoverable credential, with user verification."""

from dataclasses import dataclass, field
from functools import partial

from marshmallow import fields

from gatehouse.core import crypto
from gatehouse.database.session import end_transaction
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified
from gatehouse.login.method import (
    AuthenticationResult,
    Login,
    LoginAttempt,
    LoginForm,
    LoginMethod,
    LoginRoute,
)
from gatehouse.login.risk import LoginRejected
from gatehouse.mfa import registry
from gatehouse.mfa.errors import FactorUnavailable
from gatehouse.mfa.webauthn import ceremonies, options, passkey_store
from gatehouse.mfa.webauthn.ceremonies import SIGN_IN, Ceremony
from gatehouse.mfa.webauthn.errors import MalformedCredential, PasskeyRejected
from gatehouse.mfa.webauthn.forms import BrowserCredential, CredentialJson
from gatehouse.mfa.webauthn.verification import (
    ExpectedResponse,
    VerifiedAssertion,
    verify_assertion,
)
from gatehouse.web.fields import String
from gatehouse.web.request_context import RequestContext
from models import Credential


@dataclass(frozen=True, kw_only=True)
class PasskeyLoginForm(LoginForm):
    """The response of a passkey, and the login token of its options."""

    login_token: str = field(repr=False)
    credential: CredentialJson = field(repr=False)


class PasskeyLogin(Login):
    """The response of a passkey, and the `login_token` that came with the options."""

    form_type = PasskeyLoginForm

    login_token = String(64, required=True, metadata={"description": "of the options"})
    credential = fields.Nested(BrowserCredential, required=True)


class PasskeyMethod:
    """The passkey itself identifies the user, so the options are the same for all."""

    schema: type[Login] = PasskeyLogin
    route = LoginRoute(
        "Sign in with the response of a passkey.",
        path="/authentication/verify",
        errors=(
            *(PasskeyRejected, MalformedCredential, FactorUnavailable),
            *(AccountDisabled, EmailUnverified, LoginRejected),
        ),
        blueprint="passkeys",
        rate_limit="passkey",
    )

    def identify(self, form: PasskeyLoginForm, context: RequestContext) -> None:
        """Return None: the passkey identifies the user, and cannot be found by trying."""

    def authenticate(self, attempt: LoginAttempt[PasskeyLoginForm]) -> AuthenticationResult:
        """Verify the assertion; the challenge is consumed in the transaction that follows.

        Raises:
            FactorUnavailable: passkeys are not enabled.
            MalformedCredential, PasskeyRejected: the response is malformed, or not valid.
            PasskeyCloned: the signature counter fell, so there may be a copy of the passkey.
        """
        registry.get_factor(passkey_store.KIND)
        credential, ceremony = attempt.form.credential, Ceremony(SIGN_IN, attempt.form.login_token)
        challenge = ceremonies.find_challenge(ceremony, credential)
        row = passkey_store.find_by_credential_id(credential["id"])
        if row is None or not credential["response"].get("userHandle"):  # section 7.2 step 6
            raise PasskeyRejected(reason="passkey unknown")
        end_transaction()
        passkey = passkey_store.load(row)
        with passkey_store.audit_context(row):
            assertion = verify_assertion(
                credential, ExpectedResponse(challenge.challenge, True), passkey, row.counter
            )
        consume = partial(_consume, challenge, row, assertion)
        return AuthenticationResult(row.user_id, (passkey.amr, "mfa"), consume=consume)


def create_options() -> dict[str, object]:
    """Store a WebAuthn challenge, in the current transaction; return options and login token.

    Raises:
        FactorUnavailable: passkeys are not enabled.
    """
    registry.get_factor(passkey_store.KIND)
    login_token = crypto.random_token()
    challenge = ceremonies.create_challenge(Ceremony(SIGN_IN, login_token))
    public_key = options.request_options(challenge, [], user_verification_required=True)
    expires_in = int(options.LIFETIME.total_seconds())
    return {"login_token": login_token, "expires_in": expires_in, "public_key": public_key}


def _consume(
    challenge: ceremonies.AnsweredChallenge, row: Credential, assertion: VerifiedAssertion
) -> None:
    with passkey_store.audit_context(row):
        ceremonies.consume_challenge(challenge)
        passkey_store.record_use(row.id, assertion)


plugin: LoginMethod[PasskeyLoginForm] = PasskeyMethod()
