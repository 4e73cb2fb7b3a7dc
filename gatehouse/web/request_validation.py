"""What comes in: bounded, single and JSON, before any room sees it."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

from flask import Flask, current_app, request

from gatehouse.core.errors import (
    MalformedRequest,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from gatehouse.web import cookies

BODY_LIMIT = 64 * 1024
SINGLE = (
    "HTTP_AUTHORIZATION",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_X_CSRF_TOKEN",
    "HTTP_X_DEVICE_TOKEN",
    "HTTP_X_REQUEST_ID",
)
"""Headers that must be single; the server joins repeated ones with a comma."""
LEGIBLE = {name.removeprefix("HTTP_").replace("_", "-").lower() for name in SINGLE}
LEGIBLE |= {"x-forwarded-for", "idempotency-key"}
"""Headers that decide something: one that cannot be read is not taken for one that is not there."""


Route = TypeVar("Route", bound=Callable[..., Any])


def at_once(route: Route) -> Route:
    """Mark a route that answers from memory: it waits for nothing and never looks at a body.

    The bridge answers it in the event loop; gateways may send it whatever they have.
    """
    route.at_once = True  # type: ignore[attr-defined]
    return route


def takes(*kinds: str) -> Callable[[Route], Route]:
    """Mark a route whose bodies are of these media types, and not JSON like all others."""

    def mark(route: Route) -> Route:
        route.takes = kinds  # type: ignore[attr-defined]
        return route

    return mark


def is_at_once(app: Flask, endpoint: str | None) -> bool:
    """Tell whether the view of an endpoint has that mark."""
    return hasattr(app.view_functions.get(endpoint or ""), "at_once")


def guard(app: Flask) -> None:
    """Check every request of an application before it is dispatched."""

    @app.before_request
    def check() -> None:
        environ = request.environ
        require_host(environ)
        refuse_repetition(environ)
        cookies.refuse_ambiguous()
        if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
            bound_body(environ)


def require_host(environ: dict[str, Any]) -> None:
    """Refuse HTTP/1.1 without a host (RFC 9112 section 3.2): a proxy may have guessed one."""
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and not environ.get("HTTP_HOST"):
        raise MalformedRequest("HTTP/1.1 needs a Host header.")


def refuse_repetition(environ: dict[str, Any]) -> None:
    """Refuse headers and parameters whose first and last value could differ."""
    if not LEGIBLE.isdisjoint(environ.get("gatehouse.unreadable", ())):
        raise MalformedRequest("A header holds bytes that are not ASCII.")
    if any("," in environ.get(name, "") for name in SINGLE):
        raise MalformedRequest("A header that must be single was sent twice.")
    if environ.get("QUERY_STRING") and any(len(v) > 1 for _, v in request.args.lists()):
        raise MalformedRequest("A parameter stands twice in the address.")


def bound_body(environ: dict[str, Any]) -> None:
    """Read the whole body, at most 64 KiB of it, and refuse what is not JSON.

    A chunked body has no length to believe: it is counted while it is read.
    """
    if is_at_once(current_app, request.endpoint):
        return
    if environ.get("gatehouse.late"):
        raise RequestTimeout
    announced = request.content_length or 0
    if announced > BODY_LIMIT:
        raise PayloadTooLarge
    body = _read(environ["wsgi.input"], BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise PayloadTooLarge
    if len(body) < announced:  # the sender went away half-way: RFC 9112 section 8
        raise MalformedRequest("The body ended before its announced length.")
    view = current_app.view_functions.get(request.endpoint or "")
    if body and request.mimetype not in getattr(view, "takes", ("application/json",)):
        raise UnsupportedMediaType
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _read(stream: Any, limit: int) -> bytes:
    body = b""
    while len(body) < limit and (chunk := stream.read(limit - len(body))):
        body += chunk
    return body
