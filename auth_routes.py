"""The front desk: register, prove, log in, refresh, log out, me. Parse, call, answer."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Response, jsonify
from marshmallow import validate

from gatehouse.account import email_change, invitation, passkey_sign_up, sign_up
from gatehouse.account.forms import PasskeyOfNewcomer, Register
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.lockout.service import TooManyAttempts
from gatehouse.login import service as login
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified, PasswordCompromised
from gatehouse.login.methods import link
from gatehouse.login.methods.link import LinkFailed, LinkLogin, LinkRequest
from gatehouse.login.methods.password import PasswordLogin
from gatehouse.login.risk import LoginRefused
from gatehouse.mfa.errors import FactorNotOffered, GraceOver
from gatehouse.mfa.webauthn.errors import (
    AuthenticatorNotAllowed,
    MalformedCredential,
    PasskeyRefused,
)
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions import csrf, logout, request_credentials
from gatehouse.sessions import service as sessions
from gatehouse.sessions.csrf import takes_bearer
from gatehouse.sessions.errors import RefreshTokenReused, SessionEnded
from gatehouse.sessions.guards import browser, caller, refresh_cookie, signed_in
from gatehouse.sessions.token_response import BODY, COOKIE, farewell, hand_over, replaced_by
from gatehouse.tokens.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.users.errors import InvitationFailed, RegistrationProofFailed, UsernameTaken
from gatehouse.users.forms import AcceptInvitation, Profile, VerifyEmail
from gatehouse.web.fields import Form, Text
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import limited
from gatehouse.web.request_context import visitor
from schemas import (
    CsrfAnswer,
    LinkAnswer,
    LinkCode,
    LoginAnswer,
    PasskeyOptions,
    Status,
    TokenAnswer,
    User,
    Verified,
)

auth = Blueprint("auth", __name__, url_prefix="/auth", description="The front desk")


@auth.post("/register")
@limited("register")
@auth.arguments(Register)
@idempotent()
@auth.response(202, Status)
@auth.refuses(UsernameTaken, CaptchaRequired)
@auth.refuses(PasskeyRefused, MalformedCredential, AuthenticatorNotAllowed, FactorNotOffered)
def register(form: dict[str, Any]) -> dict[str, str]:
    """Ask for an account, with a `password` or a `passkey`.

    The answer is the same whether or not the address is known; the mail is not.
    """
    captcha.require("register", form.get("captcha"), visitor())
    sign_up.ask(form, visitor())
    return {"status": "verification_required"}


@auth.post("/register/options")
@limited("passkey")
@auth.arguments(PasskeyOfNewcomer)
@auth.response(200, PasskeyOptions)
@auth.refuses(FactorNotOffered)
def ask_for_passkey_of_newcomer(form: dict[str, Any]) -> dict[str, Any]:
    """Begin to register with a passkey; the options are alike for known and unknown addresses."""
    with writing():
        asked = passkey_sign_up.ask(form["email"].address, form.get("name"))
    db.session.commit()
    return asked


@auth.post("/email/verify")
@limited("verify")
@auth.arguments(VerifyEmail)
@auth.response(200, Verified)
@auth.refuses(RegistrationProofFailed, InvalidCredentials, UsernameTaken, TooManyAttempts)
def verify_email(form: dict[str, Any]) -> dict[str, Any]:
    """Prove an address: `email` and `code`, or the link's `token` and the `password`.

    The code counts in the network where it was asked for, elsewhere with the `password`. The
    address is that of a registration, or one that somebody who has an account wants to have.
    """
    codes: list[str] = []
    if "token" in form:
        email_change.prove_by_link(form["token"], form["password"], visitor())
    else:
        codes = email_change.prove_by_code(form, visitor())
    db.session.commit()
    return {"status": "verified"} | ({"recovery_codes": codes} if codes else {})


@auth.post("/invitation")
@limited("invitation")
@auth.arguments(AcceptInvitation)
@auth.response(204)
@auth.refuses(InvitationFailed)
def accept_invitation(form: dict[str, Any]) -> None:
    """Accept an invitation with a password."""
    invitation.accept(form["token"], form["password"], visitor())
    db.session.commit()


@auth.post("/login")
@limited("login")
@auth.arguments(PasswordLogin)
@auth.response(200, LoginAnswer)
@auth.refuses(InvalidCredentials, TooManyAttempts, AccountDisabled, EmailUnverified)
@auth.refuses(CaptchaRequired, PasswordCompromised, LoginRefused, GraceOver)
def log_in(form: dict[str, Any]) -> Any:
    """Log in with a password; the answer may be a question for a second factor."""
    by, who = form["transport"], visitor()
    answer = login.begin("password", form, who, replaced_by(by))
    db.session.commit()
    return hand_over(answer, by, who)


@auth.post("/login/link")
@limited("link")
@auth.arguments(LinkRequest)
@idempotent("login_token")
@auth.response(202, LinkAnswer)
def ask_for_link(form: dict[str, Any]) -> dict[str, str]:
    """Ask for a link and a code by mail, or a code by SMS; known or not, the answer is the same."""
    login_token = link.piece.ask(form, visitor())
    return {"status": "sent", "login_token": login_token}


@auth.post("/login/link/verify")
@limited("login")
@auth.arguments(LinkLogin)
@auth.response(200, LoginAnswer)
@auth.refuses(LinkFailed, TooManyAttempts, AccountDisabled, EmailUnverified, LoginRefused)
@auth.refuses(GraceOver)
def log_in_with_link(form: dict[str, Any]) -> Any:
    """Log in with the link or the code, where it was asked for."""
    by = form["transport"]
    answer = login.begin("link", form, visitor(), replaced_by(by))
    db.session.commit()
    return hand_over(answer, by, visitor())


class LinkToken(Form):
    """A link that was opened elsewhere than where it was asked for."""

    token = Text(200, required=True, metadata={"description": "from the link"})


@auth.post("/login/link/code")
@limited("login")
@auth.arguments(LinkToken)
@auth.response(200, LinkCode)
@auth.refuses(LinkFailed)
def show_code_of_link(form: dict[str, Any]) -> dict[str, str]:
    """Read the code that belongs to a link, to type it where it was asked for."""
    return {"code": link.code_of(form["token"])}


class Refresh(Form):
    """A refresh token; a browser sends its cookie instead."""

    refresh_token = Text(4096)


@auth.post("/refresh")
@limited("refresh")
@auth.arguments(Refresh, required=False)
@auth.response(200, TokenAnswer)
@auth.refuses(TokenMissing, TokenInvalid, TokenExpired, SessionEnded, RefreshTokenReused)
def refresh(form: dict[str, Any]) -> Any:
    """Exchange a refresh token for its child, which travels as the token came."""
    by = BODY if "refresh_token" in form else COOKIE
    encoded = form["refresh_token"] if by == BODY else refresh_cookie()
    answer = sessions.refresh(encoded, visitor())
    db.session.commit()
    return hand_over(answer, by, visitor())


class Logout(Form):
    """What to end: this session, the person's others, or all of them."""

    scope = Text(8, load_default="local", validate=validate.OneOf(("local", "others", "global")))
    refresh_token = Text(4096)


@auth.post("/logout")
@limited("logout")
@auth.arguments(Logout, required=False)
@auth.response(204)
@auth.refuses(TokenMissing, TokenInvalid, TokenExpired, TokenRevoked)
@takes_bearer
def log_out(form: dict[str, Any]) -> Any:
    """End the session of the access token, else of the refresh token, or others with it.

    A browser whose cookies are not good any more is logged out, too.
    """
    if "refresh_token" not in form and request_credentials.come_by_cookie():
        return _leave(form["scope"])
    access = request_credentials.bearer_or_none()
    logout.log_out(form["scope"], access, form.get("refresh_token"), visitor())
    db.session.commit()
    return None


def _leave(scope: str) -> Any:
    """Log a browser out; where only its other sessions end, it keeps its cookies."""
    if scope == logout.LOCAL:
        with suppress(*request_credentials.NOBODY, SessionEnded):
            logout.end_one(UUID(browser().sid), "logout", visitor())
    else:
        logout.end_many(scope, caller(), visitor())
    db.session.commit()
    return None if scope == logout.OTHERS else (None, farewell())


@auth.get("/csrf")
@auth.response(200, CsrfAnswer)
@auth.refuses(TokenMissing)
def read_csrf_token() -> dict[str, str]:
    """Read the CSRF token of the session that the cookies are of."""
    try:
        return {"csrf_token": csrf.token(request_credentials.holder().sid)}
    except request_credentials.NOBODY:
        raise TokenMissing("No cookie of a session came along.") from None


@auth.get("/me")
@signed_in
@auth.response(200, User)
def me(caller: AccessToken) -> Response:
    """Read one's own account."""
    told = users.read_profile(UUID(caller.sub))
    told["created_at"] = clock.rfc3339(told["created_at"])
    return jsonify(told)  # as the schema would write it, in a tenth of the time


@auth.patch("/me")
@signed_in
@auth.arguments(Profile)
@auth.response(200, User)
@auth.refuses(UsernameTaken)
def change_me(caller: AccessToken, form: dict[str, Any]) -> dict[str, Any]:
    """Change name, username or locale; null empties a field."""
    users.change_profile(UUID(caller.sub), form, visitor())
    db.session.commit()
    return users.profile_of(UUID(caller.sub))
