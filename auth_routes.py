"""Routes for sign-up, login, tokens and the user's own profile; services do the work."""

from contextlib import suppress
from uuid import UUID

from flask import Response, jsonify

from gatehouse.account import (
    activation,
    email_verification,
    invitation,
    passkey_sign_up,
    registration,
)
from gatehouse.account.forms import (
    PasskeySignUpOptionsForm,
    PasskeySignUpOptionsRequest,
    RegistrationForm,
    RegistrationRequest,
)
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core import clock
from gatehouse.database.session import write_transaction
from gatehouse.hooks.errors import RegistrationDenied
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.login.method_routes import add_login_routes
from gatehouse.login.methods import link
from gatehouse.login.methods.link import (
    LinkFailed,
    LoginLinkRequest,
    LoginLinkRequestForm,
    LoginLinkToken,
    LoginLinkTokenForm,
)
from gatehouse.mfa.errors import FactorUnavailable
from gatehouse.mfa.webauthn.errors import (
    AuthenticatorNotAllowed,
    MalformedCredential,
    PasskeyRejected,
)
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions import csrf, logout, request_credentials
from gatehouse.sessions.csrf import accepts_bearer
from gatehouse.sessions.errors import ImpersonationNotAllowed, RefreshTokenReused, SessionEnded
from gatehouse.sessions.forms import (
    LogoutRequest,
    LogoutRequestForm,
    RefreshRequest,
    RefreshRequestForm,
)
from gatehouse.sessions.guards import (
    authenticate_caller,
    current_browser_session,
    current_token,
    refresh_cookie,
    require_own_session,
    signed_in,
)
from gatehouse.sessions.refresh import refresh
from gatehouse.sessions.token_response import BODY, COOKIE, clear_cookies_headers, token_response
from gatehouse.tokens import service as tokens
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.tokens.service import AccessToken
from gatehouse.users import profile_update
from gatehouse.users import service as users
from gatehouse.users.errors import (
    EmailVerificationFailed,
    InvitationFailed,
    RegistrationClosed,
    UsernameTaken,
    VerifierMissing,
)
from gatehouse.users.forms import (
    AcceptInvitation,
    AcceptInvitationForm,
    ProfileUpdate,
    ProfileUpdateForm,
    VerificationLink,
    VerificationLinkForm,
    VerifyEmail,
    VerifyEmailForm,
)
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import (
    accepts_csrf_token,
    accepts_device_token,
    allowed_to_impersonators,
    authenticated_by_cookie,
)
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import (
    CsrfTokenResponse,
    LinkCode,
    LoginLinkResponse,
    PasskeyOptions,
    RegistrationResponse,
    TokenResponse,
    User,
    VerificationResponse,
)

auth = Blueprint("auth", __name__, url_prefix="/auth", description="Sign-up, login and tokens")


@auth.post("/register")
@rate_limit("register")
@auth.arguments(RegistrationRequest)
@idempotent("registration_token")
@auth.response(202, RegistrationResponse)
@auth.errors(UsernameTaken, CaptchaRequired, RegistrationClosed, RegistrationDenied)
@auth.errors(PasskeyRejected, MalformedCredential, AuthenticatorNotAllowed, FactorUnavailable)
def register_user(form: RegistrationForm) -> dict[str, str]:
    """Sign up with a `password` or a `passkey`.

    The response is alike whether or not the e-mail address has an account; the e-mail differs.
    Keep the `registration_token` until the code of the e-mail is entered.
    """
    captcha.check_request("register", form.captcha, request_context())
    registration_token = registration.request_account(form, request_context())
    return {"status": "verification_required", "registration_token": registration_token}


@auth.post("/register/options")
@rate_limit("passkey")
@auth.arguments(PasskeySignUpOptionsRequest)
@auth.response(200, PasskeyOptions)
@auth.errors(FactorUnavailable, RegistrationClosed)
def create_passkey_sign_up_options(form: PasskeySignUpOptionsForm) -> dict[str, object]:
    """Start to sign up with a passkey.

    The options are alike for known and unknown e-mail addresses.
    """
    with write_transaction():
        return passkey_sign_up.create_options(form.email, form.name)


@auth.post("/email/verify")
@rate_limit("verify")
@auth.arguments(VerifyEmail)
@auth.response(200, VerificationResponse)
@auth.errors(EmailVerificationFailed, InvalidCredentials, UsernameTaken, TooManyAttempts)
@auth.errors(VerifierMissing, TokenInvalid, TokenExpired, TokenRevoked, SessionEnded)
@auth.errors(RegistrationClosed, ImpersonationNotAllowed)
@accepts_bearer
def verify_email(form: VerifyEmailForm) -> dict[str, object]:
    """Verify an e-mail address with `email` and `code`, or the link's `token` and the `password`.

    The code needs the `registration_token` of the sign-up, or the password that was chosen there.
    For the new address of an account it needs an access token of the account, or its password.
    """
    context, codes = request_context(), []
    if form.email is None:
        email_verification.verify_by_link(form.token, form.password or "", context)
    elif form.registration_token is not None:
        token = form.registration_token
        codes = email_verification.verify_with_token(form.email, form.code, token, context)
    elif form.password is not None:
        email_verification.verify_with_password(form.email, form.code, form.password, context)
    else:
        caller = authenticate_caller(VerifierMissing)
        email_verification.verify_with_session(caller, form.email, form.code, context)
    return {"status": "verified"} | ({"recovery_codes": codes} if codes else {})


@auth.post("/email/verify/code")
@rate_limit("verify")
@auth.arguments(VerificationLink)
@auth.response(200, LinkCode)
@auth.errors(EmailVerificationFailed)
def read_verification_code(form: VerificationLinkForm) -> dict[str, str]:
    """Read the code of the link of a sign-up with a passkey, to type it where that began."""
    return {"code": activation.get_code(form.token)}


@auth.post("/invitation")
@rate_limit("invitation")
@auth.arguments(AcceptInvitation)
@auth.response(204)
@auth.errors(InvitationFailed, RegistrationClosed, RegistrationDenied)
def accept_invitation(form: AcceptInvitationForm) -> None:
    """Accept an invitation, and choose the password of the new account."""
    invitation.accept(form.token, form.password, request_context())


@auth.post("/login/link")
@rate_limit("link")
@auth.arguments(LoginLinkRequest)
@idempotent("login_token")
@auth.response(202, LoginLinkResponse)
@accepts_device_token
def request_login_link(form: LoginLinkRequestForm) -> dict[str, str]:
    """Request a link and a code by e-mail, or a code by SMS.

    The response is the same for unknown e-mail addresses and numbers.
    """
    login_token = link.plugin.send_link(form.recipient, request_context())
    return {"status": "sent", "login_token": login_token}


add_login_routes(auth)


@auth.post("/login/link/code")
@rate_limit("login")
@auth.arguments(LoginLinkToken)
@auth.response(200, LinkCode)
@auth.errors(LinkFailed)
def read_login_link_code(form: LoginLinkTokenForm) -> dict[str, str]:
    """Read the code that belongs to a link, to type it in the browser that requested it."""
    return {"code": link.get_code(form.token)}


@auth.post("/refresh")
@rate_limit("refresh")
@auth.arguments(RefreshRequest, required=False)
@auth.response(200, TokenResponse)
@auth.errors(TokenMissing, TokenInvalid, TokenExpired, SessionEnded, RefreshTokenReused)
@accepts_csrf_token
@accepts_device_token
def refresh_tokens(form: RefreshRequestForm) -> object:
    """Exchange a refresh token for new tokens.

    They are returned the way the refresh token was sent: in the body or in cookies. After a lost
    response, send the `device_token` of the login as `X-Device-Token`: the device that logged in
    gets a replacement later than the reuse interval, too.
    """
    context = request_context()
    if form.refresh_token is None:
        return token_response(refresh(refresh_cookie(), context), COOKIE, context)
    token = tokens.verify_refresh(form.refresh_token)
    return token_response(refresh(token, context), BODY, context)


@auth.post("/logout")
@rate_limit("logout")
@auth.arguments(LogoutRequest, required=False)
@auth.response(204)
@auth.errors(*request_credentials.NOT_AUTHENTICATED, SessionEnded, ImpersonationNotAllowed)
@accepts_bearer
@allowed_to_impersonators
def log_out(form: LogoutRequestForm) -> object:
    """End the session of the access token, or else of the refresh token; `scope` can add others.

    A browser whose cookies have expired or are invalid is logged out, too.
    """
    if form.refresh_token is None and request_credentials.has_our_cookies():
        return _log_browser_out(form.scope)
    access = request_credentials.bearer_token_or_none()
    logout.log_out(form.scope, access, form.refresh_token, request_context())
    return None


def _log_browser_out(scope: str) -> object:
    """Log out a session in cookies; scope `others` keeps that session and its cookies."""
    if scope == logout.LOCAL:
        with suppress(*request_credentials.NOT_AUTHENTICATED, SessionEnded):
            logout.end_one_session(UUID(current_browser_session().sid), "logout", request_context())
    else:
        logout.end_many_sessions(scope, current_token(), request_context())
    return None if scope == logout.OTHERS else (None, clear_cookies_headers())


@auth.get("/csrf")
@auth.response(200, CsrfTokenResponse)
@auth.errors(TokenMissing)
@authenticated_by_cookie
def read_csrf_token() -> dict[str, str]:
    """Read the CSRF token that belongs to the session cookies."""
    try:
        return {"csrf_token": csrf.token(request_credentials.session_from_cookies().sid)}
    except request_credentials.NOT_AUTHENTICATED:
        raise TokenMissing("The request has no valid session cookie.") from None


@auth.get("/me")
@signed_in
@auth.response(200, User)
def read_me(caller: AccessToken) -> Response:
    """Read the profile of the signed-in user."""
    profile = users.fetch_profile(UUID(caller.sub))
    profile["created_at"] = clock.format_rfc3339(profile["created_at"])
    return jsonify(profile)  # as the schema would serialize it, in a tenth of the time


@auth.patch("/me")
@signed_in
@auth.arguments(ProfileUpdate)
@auth.response(200, User)
@auth.errors(UsernameTaken)
@allowed_to_impersonators
def update_me(caller: AccessToken, form: ProfileUpdateForm) -> dict[str, object]:
    """Change name, username, locale or attributes; null clears a field, or removes an attribute."""
    if "username" in form.profile:
        require_own_session(caller)
    profile_update.update_profile(UUID(caller.sub), form, request_context())
    return users.get_profile(UUID(caller.sub))
