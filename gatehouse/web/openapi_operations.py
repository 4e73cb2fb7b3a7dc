"""What the OpenAPI document says about an operation: who may call it, its headers, its errors.

All of it is read from the decorators of the view function, so the document cannot differ from what
they do.
"""

import inspect
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, TypeVar

from gatehouse.core.errors import (
    ApiError,
    CsrfFailed,
    MalformedRequest,
    RateLimited,
    ServiceUnavailable,
    default_detail,
)
from gatehouse.web import cookies
from gatehouse.web.error_formats import PROBLEM, ErrorFormat

Route = TypeVar("Route", bound=Callable[..., object])
BEARER, COOKIE, METRICS_TOKEN = "bearer", "cookie", "metrics_token"
API_KEY = "api_key"
SECURITY_SCHEMES = {
    BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    COOKIE: {
        "type": "apiKey",
        "in": "cookie",
        "name": cookies.ACCESS,
        "description": "Writes also need `X-CSRF-Token`, from GET /auth/csrf.",
    },
    API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ghk_<id>_<secret and checksum>",
        "description": "An API key of a service account.",
    },
    METRICS_TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "`GATEHOUSE_METRICS_TOKEN`; not needed in development.",
    },
}
"""How a request authenticates; with a bearer token, cookies are ignored."""
ANONYMOUS = ""
"""In the place of a scheme: requests may be unauthenticated (OpenAPI 3.1 section 4.8.30)."""
DEVICE_TOKEN, CSRF_TOKEN = "DeviceToken", "CsrfToken"
IF_MATCH = "IfMatch"
ALLOWED_TO_IMPERSONATORS = "allowed_to_impersonators"
"""The mark of a view function; see `allowed_to_impersonators`."""
IDEMPOTENCY_KEY, UNGUESSABLE_KEY = "IdempotencyKey", "UnguessableIdempotencyKey"
KEY_PROMISE = (
    "random for each new request. Within 24 hours, a repeated request with the same key has no"
    " second effect and gets the same response."
)
KEY_FORMAT = "idempotency-key"
SINGLE_VALUE = {"type": "string", "pattern": "^[^,]*$"}
"""A header that is rejected when joined from two."""
HEADER_PARAMETERS: dict[str, dict[str, object]] = {
    DEVICE_TOKEN: {
        "name": "X-Device-Token",
        "description": "The `device_token` of the last login on this device, in body mode; browsers"
        " send a cookie instead. A device that is known needs fewer checks.",
        "schema": SINGLE_VALUE,
    },
    IDEMPOTENCY_KEY: {
        "name": "Idempotency-Key",
        "description": f"1 to 64 visible ASCII characters, {KEY_PROMISE}",
        "schema": {"type": "string", "format": KEY_FORMAT, "pattern": "^[!-~]{1,64}$"},
    },
    UNGUESSABLE_KEY: {
        "name": "Idempotency-Key",
        "description": f"22 to 64 visible ASCII characters, {KEY_PROMISE}",
        "schema": {"type": "string", "format": KEY_FORMAT, "pattern": "^[!-~]{22,64}$"},
    },
    IF_MATCH: {
        "name": "If-Match",
        "description": "The `ETag` of the version that you have seen; if it is another one"
        " meanwhile, nothing is changed. `*` accepts every version.",
        "schema": {"type": "string"},
    },
    CSRF_TOKEN: {
        "name": "X-CSRF-Token",
        "description": "The `csrf_token` of the session, if cookies authenticate the request.",
        "schema": SINGLE_VALUE,
    },
}
"""The headers that routes read, as components of the document; each is optional."""


def header_parameters(route: object, method: str) -> list[str]:
    """Return the names of the header parameters of a route, which are components."""
    return list(_headers(route, method != "GET"))


def describe_operation(route: Any, method: str, error_format: ErrorFormat) -> dict[str, Any]:
    """Return the members of the operation object that follow from the decorators of a route."""
    writes = method != "GET"
    permission = {"x-permission": route.permission} if hasattr(route, "permission") else {}
    if hasattr(route, ALLOWED_TO_IMPERSONATORS):
        permission["x-allowed-to-impersonators"] = True
    if hasattr(route, "needs_recent_sign_in"):
        permission["x-needs-recent-sign-in"] = True
    return {
        "operationId": route.__name__,
        "summary": _summary(route),
        "security": _security(route),
        **permission,
        "responses": {
            str(status): document_errors(errors, error_format)
            for status, errors in _errors_by_status(route, writes)
        },
    }


def _summary(route: object) -> str:
    """Return the first line of a docstring; a summary is plain text."""
    return (inspect.getdoc(route) or "").partition("\n")[0].replace("`", "")


def accepts_device_token(route: Route) -> Route:
    """Mark a route that knows the client's device by `X-Device-Token` or its cookie."""
    route.accepts_device_token = True  # type: ignore[attr-defined]
    return route


def accepts_csrf_token(route: Route) -> Route:
    """Mark a route that a cookie can authenticate, though it has no guard."""
    route.accepts_csrf_token = True  # type: ignore[attr-defined]
    return route


def conditional(route: Route) -> Route:
    """Mark a route that changes nothing if `If-Match` names another version."""
    route.conditional = True  # type: ignore[attr-defined]
    return route


def allowed_to_impersonators(route: Route) -> Route:
    """Mark a write that administrators may do while they act as a user; all others are rejected."""
    setattr(route, ALLOWED_TO_IMPERSONATORS, True)
    return route


def authenticated_by_cookie(route: Route) -> Route:
    """Mark a route that reads the session cookie only, without a guard."""
    route.security_schemes = (COOKIE,)  # type: ignore[attr-defined]
    return route


def open_or_with_metrics_token(route: Route) -> Route:
    """Mark a route that takes the token of the metrics, where there is one."""
    route.security_schemes = (ANONYMOUS, METRICS_TOKEN)  # type: ignore[attr-defined]
    return route


def document_errors(
    error_types: Iterable[type[ApiError]], error_format: ErrorFormat = PROBLEM
) -> dict[str, object]:
    """Return the OpenAPI response object for errors that share a status."""
    text = "\n".join(f"- `{error.code}`: {default_detail(error)}" for error in error_types)
    content = {error_format.media_type: {"schema": error_format.schema}}
    return {"description": text, "content": content}


def _security(route: object) -> list[dict[str, list[str]]]:
    if hasattr(route, "security_schemes"):
        return [{name: []} if name else {} for name in route.security_schemes]
    if not hasattr(route, "accepts_bearer"):
        return []
    schemes: list[dict[str, list[str]]] = [{BEARER: []}, {COOKIE: []}]
    if getattr(route, "accepts_api_keys", False):
        schemes.append({API_KEY: []})
    return schemes if hasattr(route, "guarded") else [{}, *schemes]


def _headers(route: object, writes: bool) -> Iterable[str]:
    if hasattr(route, "idempotent"):
        yield IDEMPOTENCY_KEY if hasattr(route, "guarded") else UNGUESSABLE_KEY
    if hasattr(route, "conditional"):
        yield IF_MATCH
    if hasattr(route, "accepts_device_token"):
        yield DEVICE_TOKEN
    if hasattr(route, "accepts_csrf_token") or (writes and hasattr(route, "accepts_bearer")):
        yield CSRF_TOKEN


def _errors_by_status(route: object, writes: bool) -> list[tuple[int, list[type[ApiError]]]]:
    errors = {*getattr(route, "error_types", ()), MalformedRequest, ServiceUnavailable}
    errors |= {CsrfFailed, *getattr(route, "write_error_types", ())} if writes else set()
    errors |= {RateLimited} if hasattr(route, "limit") else set()
    ordered = sorted(errors, key=lambda error: (error.status, error.code, error.__qualname__))
    return [(status, list(same)) for status, same in groupby(ordered, lambda error: error.status)]
