"""Writes that a page of somebody else makes a browser send: told apart, and refused.

Every write says by its `Origin` which page it came from. One that a cookie authenticates also
carries a token that only pages of ours can read: the HMAC of the very session it acts for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, current_app, request

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto
from gatehouse.core.errors import CsrfFailed, Refusal
from gatehouse.core.log import log
from gatehouse.sessions import request_credentials
from gatehouse.sessions.request_credentials import Holder
from gatehouse.web import cookies
from gatehouse.web.request_context import visitor

SAFE = ("GET", "HEAD", "OPTIONS")  # RFC 9110 section 9.2.1; TRACE is answered nowhere

Route = TypeVar("Route", bound=Callable[..., Any])


class OriginRefused(CsrfFailed):
    """Pages of this origin may change nothing here."""

    next = (
        "Open the page under the public URL of the service, "
        "or have its operator add your origin to GATEHOUSE_ALLOWED_ORIGINS."
    )


def takes_bearer(route: Route) -> Route:
    """Mark a route that a bearer token authenticates: no page of others can send one unasked."""
    route.takes_bearer = True  # type: ignore[attr-defined]
    return route


def takes_any_origin(route: Route) -> Route:
    """Mark a route whose askers pass on the `Origin` of somebody else."""
    route.takes_any_origin = True  # type: ignore[attr-defined]
    return route


def token(session_id: str) -> str:
    """Return the session's token."""
    return crypto.keyed_digest(request_credentials.CSRF, session_id)


def guard(app: Flask) -> None:
    """Refuse the writes of foreign origins before they are dispatched."""

    @app.before_request
    def check() -> None:
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is None or request.method in SAFE or _is_ours(origin) or _is_exempt():
            return
        if request.endpoint is None:  # 404 and 405 change nothing, and may be answered in the loop
            return
        raise _refusal(origin)


def protect(holder: Holder) -> None:
    """Let a write that a cookie authenticates go on if it carries the token of that session.

    Raises:
        CsrfFailed: it does not, or its sender is a page of another site.
    """
    if request.method in SAFE:
        return
    given = request.headers.get("X-CSRF-Token", "")
    known = crypto.keyed_digests(request_credentials.CSRF, holder.sid)
    if not any([crypto.equal(given, digest) for digest in known]):
        raise _witnessed(CsrfFailed("X-CSRF-Token is missing or of another session."), holder)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise _witnessed(CsrfFailed("Pages of other sites cannot use cookies here."), holder)


def _refusal(origin: str) -> CsrfFailed:
    """Refuse an origin: in the audit where cookies of ours came along, else only in the log."""
    public_url = config.settings().public_url
    refusal = OriginRefused(f"Only pages of {public_url} or of an allowed origin may do this.")
    try:
        return _witnessed(refusal, request_credentials.holder())
    except Refusal:  # a stranger, who must not be able to fill the audit
        log().warning("A write of a foreign origin was refused.", origin=origin[:200])
        return refusal


def _is_ours(origin: str) -> bool:
    settings = config.settings()
    return origin == settings.public_url or origin in settings.allowed_origins


def _is_exempt() -> bool:
    route = current_app.view_functions.get(request.endpoint or "")
    by_bearer = cookies.has_bearer() and hasattr(route, "takes_bearer")
    return by_bearer or hasattr(route, "takes_any_origin")


def _witnessed(refusal: CsrfFailed, holder: Holder) -> CsrfFailed:
    """Let the audit tell whose session was meant; only its owner's browser can cause such rows."""
    refusal.aftermath = partial(
        record,
        events.Session.CSRF_FAILED,
        visitor(),
        user_id=UUID(holder.sub),
        session_id=UUID(holder.sid),
        origin=request.headers.get("Origin", "")[:200],
        why=str(refusal),
    )
    return refusal
