"""A pending authorization as one URL-safe string, which the pages of the sign-in hand along.

It is encrypted, so that neither users nor other sites can change it, and no row is stored for
those who never sign in.
"""

import base64
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.crypto import DecryptionFailed
from gatehouse.core.errors import ApiError
from gatehouse.oauth.authorization_request import AuthorizationRequest
from gatehouse.sessions.continuation import Continuation

LIFETIME = timedelta(hours=1)
MAX_LENGTH = 16_000  # characters
MAX_PAGES = 25
"""More pages than any sign-in needs: something sends the browser round in circles."""
KIND = "authorization_request"
"""Of the continuation of a login."""


class SignInExpired(ApiError):
    """This sign-in took too long or was not begun here, so it cannot be continued."""

    code = "sign_in_expired"
    next = "Go back to the application, and sign in from there again."


class TooManyPages(SignInExpired):
    """This sign-in went in circles, so it was stopped."""


@dataclass(frozen=True)
class PendingAuthorization:
    """An authorization request on its way through the pages."""

    request: AuthorizationRequest
    started_at: datetime
    chosen_user: str = ""
    """The id of the user that was chosen on the page that lists accounts."""
    pages: int = 0
    """How many pages it led to."""


def begin(request: AuthorizationRequest) -> PendingAuthorization:
    """Return a request that starts now."""
    return PendingAuthorization(request, clock.now())


def count_page(pending: PendingAuthorization) -> PendingAuthorization:
    """Return a request that leads to one more page.

    Raises:
        TooManyPages: it has led to too many.
    """
    if pending.pages >= MAX_PAGES:
        raise TooManyPages
    return replace(pending, pages=pending.pages + 1)


def seal(pending: PendingAuthorization) -> str:
    """Return a pending authorization as a URL-safe string."""
    members = asdict(pending) | {"started_at": pending.started_at.isoformat()}
    plaintext = json.dumps(members, separators=(",", ":")).encode()
    encrypted = crypto.encrypt(plaintext, crypto_labels.AUTHORIZATION_REQUEST)
    return base64.urlsafe_b64encode(encrypted).rstrip(b"=").decode()


def unseal(sealed: str) -> PendingAuthorization:
    """Return the pending authorization of a string that `seal` made.

    Raises:
        SignInExpired: it is not one, or an hour old.
    """
    try:
        pending = _parse(_decrypt(sealed))
    except (ValueError, TypeError, KeyError, IndexError, DecryptionFailed):
        raise SignInExpired from None
    if not timedelta(minutes=-1) <= clock.now() - pending.started_at <= LIFETIME:
        raise SignInExpired
    return pending


def to_continuation(pending: PendingAuthorization) -> Continuation:
    """Return what a login continues with."""
    return Continuation(KIND, seal(pending))


def _decrypt(sealed: str) -> dict[str, Any]:
    if len(sealed) > MAX_LENGTH or not sealed.isascii():
        raise ValueError("not sealed here")
    encrypted = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
    members: dict[str, Any] = json.loads(
        crypto.decrypt(encrypted, crypto_labels.AUTHORIZATION_REQUEST)
    )
    return members


def _parse(members: dict[str, Any]) -> PendingAuthorization:
    """Return the members of this version; other versions may have more."""
    known = {field.name for field in fields(AuthorizationRequest)}
    sent = {name: value for name, value in members["request"].items() if name in known}
    lists = {name: tuple(value) for name, value in sent.items() if isinstance(value, list)}
    return PendingAuthorization(
        AuthorizationRequest(**sent | lists),
        datetime.fromisoformat(members["started_at"]),
        members.get("chosen_user", ""),
        members.get("pages", 0),
    )
