"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): what a request may do.

The endpoint checks a request and seals what is left of it. The sealed request travels in the URL to
a page below `/auth`, because the refresh cookie, which names the session, is sent only there.
"""

import base64
import json
from dataclasses import asdict, dataclass
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from sqlalchemy import select

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.crypto import DecryptionFailed
from gatehouse.database.session import db
from gatehouse.oauth import clients, redirect_uris
from gatehouse.oauth.errors import InvalidRequest
from gatehouse.oauth.id_token_hints import HintRejected, IdTokenHint, verify_hint
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.users import service as users
from models import OAuthClient, OAuthGrant

LIFETIME = 3600
"""Seconds for which a sealed request is valid."""
MAX_STATE = 2000
MAX_LOCALES = 200
MAX_HINT = 300


class UnknownClient(InvalidRequest):
    """The application that asked for the logout is not registered here."""

    next = "Sign out at the application again, or tell its operator."


class RedirectNotAllowed(InvalidRequest):
    """The address to return to is not registered for the application."""

    next = "You are still signed in. Sign out at the application again, or tell its operator."


class LogoutRequestExpired(InvalidRequest):
    """The request to sign out is too old, or was changed on its way."""

    next = "Sign out at the application again."


@dataclass(frozen=True)
class LogoutParameters:
    """The parameters of a logout request (section 2); "" where one is absent."""

    id_token_hint: str = ""
    logout_hint: str = ""
    client_id: str = ""
    post_logout_redirect_uri: str = ""
    state: str = ""
    ui_locales: str = ""


@dataclass(frozen=True)
class LogoutRequest:
    """A checked logout request."""

    client_id: str = ""
    redirect_uri: str = ""
    """A registered one, or ""."""
    state: str = ""
    ui_locales: str = ""
    sid: str = ""
    """Of the valid ID token, if there was one."""
    subject: str = ""
    logout_hint: str = ""
    started_at: int = 0

    @property
    def target(self) -> str:
        """The URL to return to with the `state`, or ""."""
        if not self.redirect_uri or not self.state:
            return self.redirect_uri
        separator = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{separator}{urlencode({'state': self.state})}"


def check_request(given: LogoutParameters) -> LogoutRequest:
    """Check the parameters of a logout request.

    Raises:
        HintRejected: the hint is not ours, was modified, or was issued to another client.
        UnknownClient: the client is not registered, or is disabled.
        RedirectNotAllowed: the redirect URI is not registered for the client, or none is named.
    """
    hint = verify_hint(given.id_token_hint) if given.id_token_hint else None
    client = _find_client(given.client_id, hint)
    uri = given.post_logout_redirect_uri
    if uri and (client is None or not _is_registered(client, uri)):
        raise RedirectNotAllowed
    return LogoutRequest(
        client_id=client.id if client else "",
        redirect_uri=uri,
        state=given.state[:MAX_STATE],
        ui_locales=given.ui_locales[:MAX_LOCALES],
        sid=(hint.sid or "") if hint else "",
        subject=hint.subject if hint else "",
        logout_hint=given.logout_hint[:MAX_HINT],
        started_at=clock.unix_time(),
    )


def seal(request: LogoutRequest) -> str:
    """Encrypt a checked request for its way through the browser."""
    plain = json.dumps(asdict(request)).encode()
    sealed = crypto.encrypt(plain, crypto_labels.LOGOUT_REQUEST)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(sealed: str) -> LogoutRequest:
    """Return a request that was sealed in the last hour.

    Raises:
        LogoutRequestExpired: it is older, or not one of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        found = LogoutRequest(**json.loads(crypto.decrypt(raw, crypto_labels.LOGOUT_REQUEST)))
    except (DecryptionFailed, ValueError, IndexError, TypeError):
        raise LogoutRequestExpired from None
    if not -60 <= clock.unix_time() - found.started_at <= LIFETIME:
        raise LogoutRequestExpired
    return found


def names_session(request: LogoutRequest, session: SessionRef) -> bool:
    """Return whether the request's ID token is of this session: then the user need not be asked."""
    return (request.sid, request.subject) in _list_names(request, session)


def means_other_user(request: LogoutRequest, session: SessionRef) -> bool:
    """Return whether `logout_hint` (section 2) does not fit this session.

    It fits if it is an identifier of the user, or the `sid` or `sub` of the client's tokens. It
    proves nothing: a hint that does not fit asks the user, one that fits spares no question.
    """
    user = users.require_user(UUID(session.sub))
    names = {user.email, user.username, user.phone}
    names.update(*_list_names(request, session))
    hint = request.logout_hint.strip().casefold()
    return bool(hint) and hint not in {name.casefold() for name in names if name}


def _list_names(request: LogoutRequest, session: SessionRef) -> list[tuple[str, str]]:
    """Return `sid` and `sub` by which the client knows this session."""
    grants = select(OAuthGrant.sid, OAuthGrant.subject).where(
        OAuthGrant.authorized_session_id == UUID(session.sid),
        OAuthGrant.client_id == request.client_id,
    )
    return [(str(row.sid), row.subject) for row in db.session.execute(grants.distinct())]


def find_client_name(request: LogoutRequest) -> str:
    """Return the name of the client that asks, or ""."""
    client = clients.find_client(request.client_id) if request.client_id else None
    return client.name if client else ""


def _find_client(client_id: str, hint: IdTokenHint | None) -> OAuthClient | None:
    """Return the client of a request; the one of the hint must be the one that is named.

    Raises:
        HintRejected: they differ.
        UnknownClient: it is not registered, or is disabled.
    """
    if hint and client_id and hint.client_id != client_id:
        raise HintRejected
    named = client_id or (hint.client_id if hint else "")
    if not named:
        return None
    client = clients.find_client(named)
    if client is None:
        raise UnknownClient
    return client


def _is_registered(client: OAuthClient, uri: str) -> bool:
    return redirect_uris.is_registered(client.post_logout_redirect_uris, uri)
