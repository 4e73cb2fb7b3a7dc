"""Routes for second factors at login, reauthentication and passkey login."""

from dataclasses import asdict

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.database.session import write_transaction
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.login import reauthentication, second_step
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified, PasswordCompromised
from gatehouse.login.method_routes import add_login_routes, respond
from gatehouse.login.methods import passkey
from gatehouse.login.reauthentication import ReauthenticationPasswordWrong
from gatehouse.mfa import challenges, forms
from gatehouse.mfa.errors import FactorUnavailable, PhoneUnverified
from gatehouse.mfa.webauthn import relying_party
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.guards import signed_in
from gatehouse.sessions.token_response import BODY, COOKIE, token_response
from gatehouse.tokens.service import AccessToken
from gatehouse.web import cookies
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import accepts_device_token
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import EnrolmentResponse, LoginResponse, TokenResponse

routes = Blueprint(
    "second_factor", __name__, url_prefix="/auth", description="The second factor of a login"
)
passkey_login_routes = Blueprint(
    "passkeys", __name__, url_prefix="/auth/passkeys", description="Passkeys"
)
related_origin_routes = Blueprint("related_origins", __name__, description="Passkeys")


class ChallengeResponse(Schema):
    """A factor's challenge: a code was sent, or these are the options of a passkey."""

    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(metadata={"description": "passkey, for `navigator.credentials`"})


class PendingFactor(Schema):
    """A factor that is not confirmed yet, with the data needed to set it up."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    kind = fields.String(required=True)
    label = fields.String(required=True)
    confirmed = fields.Boolean(required=True)
    secret = fields.String()
    uri = fields.String()
    qr_svg = fields.String()
    public_key = fields.Dict()
    risk = fields.String()
    alternatives = fields.List(fields.String())


@routes.post("/login/mfa/challenge")
@rate_limit("factor")
@routes.arguments(forms.LoginChallengeRequest)
@idempotent()
@routes.response(200, ChallengeResponse)
@routes.errors(InvalidCode)
def create_login_challenge(form: forms.LoginChallengeRequestForm) -> dict[str, object]:
    """Send the code of a second factor, or read the options of a passkey."""
    return challenges.send_login_challenge(form.mfa_token, form.factor_id, request_context())


@routes.post("/login/mfa")
@rate_limit("factor")
@routes.arguments(forms.SecondFactorLogin)
@routes.response(200, LoginResponse)
@routes.errors(InvalidCode, TooManyAttempts, AccountDisabled, EmailUnverified, FactorUnavailable)
@accepts_device_token
def verify_second_factor(form: forms.SecondFactorLoginForm) -> object:
    """Complete a login with a second factor."""
    return respond(second_step.complete_second_factor(form, request_context()))


@routes.post("/login/mfa/enrolment")
@rate_limit("factor")
@routes.arguments(forms.EnrolmentAtLogin)
@routes.response(201, PendingFactor)
@routes.errors(InvalidCode, FactorUnavailable, PhoneUnverified)
@accepts_device_token
def enrol_factor_at_login(form: forms.EnrolmentAtLoginForm) -> dict[str, object]:
    """Start to enrol the second factor that is required to sign in."""
    return second_step.enrol_factor(form, request_context())


@routes.post("/login/mfa/enrolment/confirm")
@rate_limit("factor")
@routes.arguments(forms.ConfirmationAtLogin)
@routes.response(200, EnrolmentResponse)
@routes.errors(InvalidCode, TooManyAttempts, AccountDisabled, EmailUnverified, NotFound)
@accepts_device_token
def confirm_factor_at_login(form: forms.ConfirmationAtLoginForm) -> object:
    """Confirm the factor, and complete the login."""
    answer, codes = second_step.complete_enrolment(form, request_context())
    response = respond(answer)
    body, headers = response if isinstance(response, tuple) else (response, [])
    content = body if isinstance(body, dict) else asdict(body)
    return content | {"recovery_codes": codes}, headers


@routes.post("/reauthenticate/challenge")
@rate_limit("factor")
@signed_in
@routes.arguments(forms.ChallengeRequest)
@idempotent()
@routes.response(200, ChallengeResponse)
@routes.errors(NotFound)
def create_reauthentication_challenge(
    caller: AccessToken, form: forms.ChallengeRequestForm
) -> dict[str, object]:
    """Send the code of one of my factors, or read passkey options, to authenticate again."""
    return reauthentication.send_challenge(caller, form.factor_id, request_context())


@routes.post("/reauthenticate")
@rate_limit("login")
@signed_in
@routes.arguments(forms.Reauthentication)
@routes.response(200, TokenResponse)
@routes.errors(ReauthenticationPasswordWrong, InvalidCode, TooManyAttempts)
@routes.errors(PasswordCompromised, SessionEnded)
def reauthenticate(caller: AccessToken, form: forms.ReauthenticationForm) -> object:
    """Authenticate again in my session, with the password or a factor."""
    tokens = reauthentication.reauthenticate(caller, form, request_context())
    return token_response(tokens, BODY if cookies.has_bearer() else COOKIE, request_context())


class PasskeyRequestOptions(Schema):
    """The options for `navigator.credentials.get()`, and the token to send with its result."""

    login_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialRequestOptionsJSON"}
    )


@passkey_login_routes.post("/authentication/options")
@rate_limit("passkey")
@passkey_login_routes.response(200, PasskeyRequestOptions)
@passkey_login_routes.errors(FactorUnavailable)
def create_passkey_login_options() -> dict[str, object]:
    """Start to sign in with a passkey; the options name no user."""
    with write_transaction():
        return passkey.create_options()


add_login_routes(passkey_login_routes)


class RelatedOrigins(Schema):
    """Origins outside the passkeys' domain that may use them."""

    origins = fields.List(fields.String(), required=True)


@related_origin_routes.get("/.well-known/webauthn")
@related_origin_routes.response(200, RelatedOrigins)
@related_origin_routes.errors(NotFound)
def list_related_origins() -> dict[str, list[str]]:
    """List other origins that may use the passkeys of this domain (WebAuthn section 5.11)."""
    origins = relying_party.related_origins()
    if not origins:
        raise NotFound
    return {"origins": origins}
