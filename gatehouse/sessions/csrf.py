"""CSRF protection: check the `Origin` of every write, and a CSRF token of those by cookie.

The token is a keyed digest of the session id, which only pages of our own origin can read.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

from flask import Flask, current_app, request

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto
from gatehouse.core.errors import ApiError, CsrfFailed
from gatehouse.core.log import logger
from gatehouse.sessions import request_credentials
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.web import cookies
from gatehouse.web.request_context import request_context

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # RFC 9110 section 9.2.1; TRACE has no route

Route = TypeVar("Route", bound=Callable[..., object])


class OriginNotAllowed(CsrfFailed):
    """Pages of this origin are not allowed to send this request."""

    next = (
        "Open the page at the public URL of the service, "
        "or ask its operator to add your origin to GATEHOUSE_ALLOWED_ORIGINS."
    )


def accepts_bearer(route: Route) -> Route:
    """Mark a route that accepts bearer tokens, which browsers never send by themselves."""
    route.accepts_bearer = True  # type: ignore[attr-defined]
    return route


def accepts_any_origin(route: Route) -> Route:
    """Mark a route whose clients forward the `Origin` of another request, as a proxy does."""
    route.accepts_any_origin = True  # type: ignore[attr-defined]
    return route


def token(session_id: str) -> str:
    """Return the CSRF token of a session."""
    return crypto.keyed_digest(request_credentials.CSRF_PURPOSE, session_id)


def register_origin_check(app: Flask) -> None:
    """Reject writes from foreign origins before they are dispatched."""

    @app.before_request
    def check() -> None:
        origin = request.environ.get("HTTP_ORIGIN")
        if (
            origin is None
            or request.method in SAFE_METHODS
            or _is_allowed_origin(origin)
            or _is_exempt()
        ):
            return
        if request.endpoint is None:  # 404 or 405: nothing changes, and the event loop may respond
            return
        raise _origin_error(origin)


def require_csrf_token(session_ref: SessionRef) -> None:
    """Require the CSRF token of the session for a write that cookies authenticate.

    Raises:
        CsrfFailed: the token is missing or wrong, or the request comes from another site.
    """
    if request.method in SAFE_METHODS:
        return
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    known = crypto.keyed_digests(request_credentials.CSRF_PURPOSE, session_ref.sid)
    if not any([crypto.constant_time_equal(given, digest) for digest in known]):
        raise _with_audit_event(
            CsrfFailed("X-CSRF-Token is missing or belongs to another session."), session_ref
        )
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise _with_audit_event(
            CsrfFailed("Pages of other sites cannot use cookies here."), session_ref
        )


def _origin_error(origin: str) -> CsrfFailed:
    """Return the error, with an audit event if the cookies are valid, else with a log line."""
    public_url = config.settings().public_url
    error = OriginNotAllowed(f"Only pages of {public_url} or an allowed origin may do this.")
    try:
        return _with_audit_event(error, request_credentials.session_from_cookies())
    except ApiError:  # unauthenticated clients must not be able to fill the audit log
        logger().warning("A write from a foreign origin was rejected.", origin=origin[:200])
        return error


def _is_allowed_origin(origin: str) -> bool:
    settings = config.settings()
    return origin == settings.public_url or origin in settings.allowed_origins


def _is_exempt() -> bool:
    route = current_app.view_functions.get(request.endpoint or "")
    by_bearer = cookies.has_bearer() and hasattr(route, "accepts_bearer")
    return by_bearer or hasattr(route, "accepts_any_origin")


def _with_audit_event(error: CsrfFailed, session_ref: SessionRef) -> CsrfFailed:
    """Attach an audit event for the session; only its own browser can cause such rows."""
    error.on_rollback = partial(
        record,
        events.Session.CSRF_FAILED,
        request_context(),
        user_id=UUID(session_ref.sub),
        session_id=UUID(session_ref.sid),
        origin=request.headers.get("Origin", "")[:200],
        reason=str(error),
    )
    return error
