"""Login with an identity provider: what it has verified is the first factor, as a password is.

A front end exchanges the code that it got with the redirect; pages and apps bring the identity.
"""

from dataclasses import dataclass, field
from functools import partial

from marshmallow import validate

from gatehouse.federation import requests
from gatehouse.federation.errors import IdentityNotAllowed, IdentityNotLinked, ProviderRejected
from gatehouse.federation.identity import AuthenticatedIdentity
from gatehouse.login import external_accounts
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
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.sessions.token_response import COOKIE
from gatehouse.web import cookies
from gatehouse.web.fields import String
from gatehouse.web.request_context import RequestContext

FEDERATED, MFA = "fed", "mfa"
"""Values of `amr`: the first is the one of Microsoft's providers, as RFC 8176 has none."""


@dataclass(frozen=True, kw_only=True)
class FederatedLoginForm(LoginForm):
    """The code of a front end, and the verifier of its code challenge."""

    federation_code: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class VerifiedLoginForm(LoginForm):
    """An identity that was authenticated in this request."""

    identity: AuthenticatedIdentity


def code_verifier_field() -> String:
    """Return the field of a code verifier (RFC 7636 section 4.1)."""
    about = {"description": "of the `code_challenge` with which the sign-in began"}
    about |= {"pattern": "^[A-Za-z0-9._~-]+$"}
    allowed = validate.Regexp(r"[A-Za-z0-9._~-]+\Z")
    return String(128, min_length=43, required=True, validate=allowed, metadata=about)


class FederationCode(Login):
    """The `federation_code` of the redirect, and the verifier of the code challenge."""

    form_type = FederatedLoginForm

    federation_code = String(64, required=True, metadata={"description": "from the redirect"})
    code_verifier = code_verifier_field()


class FederatedMethod:
    """The provider identifies the user; nothing can be found by trying."""

    schema: type[Login] = FederationCode
    route = LoginRoute(
        "Complete a sign-in with an identity provider, with the code of its redirect.",
        path="/complete",
        operation_id="complete_federated_login",
        errors=(
            *(InvalidCode, ProviderRejected, IdentityNotLinked, IdentityNotAllowed),
            *(AccountDisabled, EmailUnverified, LoginRejected, MfaEnrolmentOverdue),
        ),
        blueprint="federation",
    )

    def identify(
        self, form: FederatedLoginForm | VerifiedLoginForm, context: RequestContext
    ) -> None:
        """Return None: the code cannot be found by trying."""

    def authenticate(
        self, attempt: LoginAttempt[FederatedLoginForm | VerifiedLoginForm]
    ) -> AuthenticationResult:
        """Use the code up, and find the account of its identity.

        Raises:
            InvalidCode: the code is wrong, was used before, or is for linking.
            IdentityNotLinked, IdentityNotAllowed: the identity has no account, and gets none.
        """
        identity = _read_identity(attempt.form)
        account = external_accounts.find_or_create(identity, attempt.context)
        amr = (FEDERATED, MFA) if identity.has_two_factors else (FEDERATED,)
        consume = partial(external_accounts.record_use, account, identity, attempt.context)
        return AuthenticationResult(account.user_id, amr, consume=consume)


def _read_identity(form: FederatedLoginForm | VerifiedLoginForm) -> AuthenticatedIdentity:
    if isinstance(form, VerifiedLoginForm):
        return form.identity
    browser = cookies.get(cookies.FEDERATION) if form.transport == COOKIE else None
    result = requests.redeem_code(form.federation_code, form.code_verifier, browser)
    if result.user_id:
        raise InvalidCode
    return result.authenticated


plugin: LoginMethod[FederatedLoginForm | VerifiedLoginForm] = FederatedMethod()
