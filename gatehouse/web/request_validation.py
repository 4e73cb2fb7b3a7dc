"""Checks of every request before dispatch: size, media type, duplicate headers and cookies."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

from flask import Flask, current_app, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from gatehouse.core.errors import (
    MalformedRequest,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from gatehouse.web import cookies

MAX_BODY_BYTES = 64 * 1024
SINGLE_HEADERS = (
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
"""Headers that must occur once; the server joins repeated ones with a comma."""
DECISIVE_HEADERS = {name.removeprefix("HTTP_").replace("_", "-").lower() for name in SINGLE_HEADERS}
DECISIVE_HEADERS |= {"x-forwarded-for", "idempotency-key"}
"""Security-relevant headers: an unreadable one is rejected, not treated as absent."""

Route = TypeVar("Route", bound=Callable[..., object])


def non_blocking(route: Route) -> Route:
    """Mark a route that answers from memory: it never waits, and ignores the body.

    The RSGI adapter runs it in the event loop; any body is allowed.
    """
    route.non_blocking = True  # type: ignore[attr-defined]
    return route


def accepts(*media_types: str) -> Callable[[Route], Route]:
    """Mark a route that accepts these media types instead of JSON."""

    def decorate_route(route: Route) -> Route:
        route.accepts = media_types  # type: ignore[attr-defined]
        return route

    return decorate_route


def accepts_repeated(parameter: str) -> Callable[[Route], Route]:
    """Mark a route that accepts a query parameter more than once."""

    def decorate_route(route: Route) -> Route:
        route.repeated_parameter = parameter  # type: ignore[attr-defined]
        return route

    return decorate_route


def is_non_blocking(app: Flask, endpoint: str | None) -> bool:
    """Return whether the view of an endpoint is marked `non_blocking`."""
    return hasattr(app.view_functions.get(endpoint or ""), "non_blocking")


def set_up(app: Flask) -> None:
    """Check every request of an application before it is dispatched."""

    @app.before_request
    def check_request() -> None:
        environ = request.environ
        require_host(environ)
        reject_repetition(environ)
        reject_other_spelling(environ)
        cookies.reject_ambiguous()
        if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
            read_bounded_body(environ)


def require_host(environ: dict[str, object]) -> None:
    """Reject HTTP/1.1 without `Host` (RFC 9112 section 3.2): proxies may have assumed one."""
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and not environ.get("HTTP_HOST"):
        raise MalformedRequest("Send a Host header: HTTP/1.1 requires it.")


def reject_repetition(environ: dict[str, Any]) -> None:
    """Reject unreadable and duplicate headers, and duplicate query parameters."""
    if not DECISIVE_HEADERS.isdisjoint(environ.get("gatehouse.unreadable", ())):
        raise MalformedRequest("A header contains bytes that are not ASCII.")
    if any("," in environ.get(name, "") for name in SINGLE_HEADERS):
        raise MalformedRequest("A header that may occur only once was sent twice.")
    if environ.get("QUERY_STRING"):
        view = current_app.view_functions.get(request.endpoint or "")
        repeatable = getattr(view, "repeated_parameter", None)
        if any(len(values) > 1 and name != repeatable for name, values in request.args.lists()):
            raise MalformedRequest("A query parameter was sent twice.")


def reject_other_spelling(environ: dict[str, object]) -> None:
    """Reject `get` for GET: methods are case-sensitive (RFC 9110 section 9.1), but not in Werkzeug.

    Raises:
        MethodNotAllowed: the method is not in upper case.
    """
    is_known_url = not isinstance(request.routing_exception, NotFound)
    if environ["REQUEST_METHOD"] != request.method and is_known_url:
        adapter = current_app.create_url_adapter(request)
        raise MethodNotAllowed(sorted(adapter.allowed_methods()) if adapter else None)


def read_bounded_body(environ: dict[str, Any]) -> None:
    """Read the whole body, at most 64 KiB, and reject other media types than JSON.

    The length of a chunked body is unknown: it is counted while it is read.

    Raises:
        RequestTimeout: the body was incomplete after 10 seconds.
        PayloadTooLarge: the body has more than 64 KiB.
        MalformedRequest: the body is shorter than its `Content-Length`.
        UnsupportedMediaType: the route does not accept the media type.
        UnsupportedEncoding: the body is compressed.
    """
    if is_non_blocking(current_app, request.endpoint):
        return
    if environ.get("gatehouse.late"):
        raise RequestTimeout
    announced = request.content_length or 0
    if announced > MAX_BODY_BYTES:
        raise PayloadTooLarge
    body = _read_up_to(environ["wsgi.input"], MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    if len(body) < announced:  # the client disconnected: RFC 9112 section 8
        raise MalformedRequest("The body is shorter than its Content-Length.")
    view = current_app.view_functions.get(request.endpoint or "")
    accepted = getattr(view, "accepts", ("application/json",))
    if body and request.mimetype not in accepted:
        raise UnsupportedMediaType(f"The body must be sent as `{'` or `'.join(accepted)}`.")
    if body and environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedEncoding
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _read_up_to(stream: Any, limit: int) -> bytes:
    body = b""
    while len(body) < limit and (chunk := stream.read(limit - len(body))):
        body += chunk
    return body
