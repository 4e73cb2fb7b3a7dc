"""What all pages of a sign-in need: the request of the application, and the browser's session."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from flask import request

from gatehouse.database.session import check_before_writes, end_transaction
from gatehouse.oauth import sealed_request
from gatehouse.oauth.authorization_validation import UnknownClient
from gatehouse.oauth.clients import find_client
from gatehouse.oauth.sealed_request import PendingAuthorization
from gatehouse.pages import security_headers
from gatehouse.pages.account import catalogue
from gatehouse.sessions import csrf, live_session, unexchanged_tokens
from gatehouse.sessions.continuation import Continuation
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.guards import current_browser_session
from gatehouse.sessions.request_credentials import NOT_AUTHENTICATED, SessionRef
from gatehouse.tokens.service import RefreshToken
from gatehouse.users import service as users
from gatehouse.web.request_context import request_context
from models import OAuthClient

CONTINUE = "/auth/authorize"


@dataclass(frozen=True)
class SignIn:
    """A sign-in for an application: what it asked for, and the application."""

    pending: PendingAuthorization
    client: OAuthClient

    @property
    def target(self) -> str:
        """Where the user goes back to."""
        return self.pending.request.redirect_uri

    @property
    def continuation(self) -> Continuation:
        """What a login continues with."""
        return sealed_request.to_continuation(self.pending)


def read_sign_in() -> SignIn | None:
    """Return the sign-in that this page belongs to; None if the user came here alone.

    Raises:
        SignInExpired: it is not continued any more.
        UnknownClient: the application was disabled meanwhile.
    """
    sealed = request.values.get("request", "")
    return open_sign_in(sealed_request.unseal(sealed)) if sealed else None


def require_sign_in() -> SignIn:
    """Return the sign-in that this page belongs to.

    Raises:
        SignInExpired, UnknownClient: there is none.
    """
    return open_sign_in(sealed_request.unseal(request.values.get("request", "")))


def open_sign_in(pending: PendingAuthorization) -> SignIn:
    """Return a pending authorization with its client; its pages are in the language it asks for.

    Raises:
        UnknownClient: there is no such client any more.
    """
    security_headers.prefer_languages(*pending.request.ui_locales)
    client = find_client(pending.request.client_id)
    end_transaction()  # the steps of a login run without one
    if client is None:
        raise UnknownClient
    return SignIn(pending, client)


def find_browser_session() -> SessionRef | None:
    """Return the session that the browser's cookies name, if it is active.

    Raises:
        CsrfFailed: this is a write without the CSRF token of the session.
    """
    try:
        found = current_browser_session()
        if isinstance(found, RefreshToken):
            unexchanged_tokens.require_usable_token(found, request_context())
        return found
    except (*NOT_AUTHENTICATED, SessionEnded):
        return None


def require_browser_session() -> SessionRef | None:
    """Return the session of a form; the writes of the request begin by locking it.

    Raises:
        CsrfFailed: the form belongs to another session.
    """
    ref = find_browser_session()
    if ref:
        check_before_writes(partial(live_session.lock_live_session, ref))
    return ref


def describe_session(ref: SessionRef) -> dict[str, object]:
    """Return what forms of a signed-in user need: the CSRF token and the user's e-mail address."""
    user = users.require_user(UUID(ref.sub))
    return {"csrf_token": csrf.token(ref.sid), "email": user.email, "user": user}


def continue_url(sealed: str) -> str:
    """Return where a sign-in is continued; without an application, an account page."""
    if sealed:
        return f"{CONTINUE}?request={sealed}"
    return catalogue.path_of(security_headers.account_page() or catalogue.OVERVIEW)


def current_url() -> str:
    """Return where the sign-in of this request is continued."""
    return continue_url(security_headers.sealed_request())
