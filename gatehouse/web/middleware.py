"""WSGI middleware around Flask: security headers, request id and CORS on every response."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import config
from gatehouse.core import clock, crypto
from gatehouse.core.log import logger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DENY_ALL_CSP = (
    "default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
FIXED_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
DEFAULT_HEADERS = (
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", DENY_ALL_CSP),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
HSTS_HEADER = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

CORS_REQUEST_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, "
    "X-CSRF-Token, X-Device-Token, X-Request-Id"
)
PREFLIGHT_HEADERS = (
    ("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE"),
    ("Access-Control-Allow-Headers", CORS_REQUEST_HEADERS),
    ("Access-Control-Max-Age", "600"),
)
CORS_HEADERS = (
    ("Access-Control-Allow-Credentials", "true"),  # for listed origins only, never for `*`
    (
        "Access-Control-Expose-Headers",
        "ETag, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate",
    ),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
)
OPEN_PATHS = frozenset(
    {
        "/oauth2/token",
        "/oauth2/revoke",
        "/oauth2/userinfo",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    }
)
"""What pages of every origin may read: a browser adds no credentials, and none of its own count."""
OPEN_HEADERS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id"),
)
OPEN_PREFLIGHT_HEADERS = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "600"),
)
NOT_ALLOWED = (
    "A browser may not send a request of this origin: add it to GATEHOUSE_ALLOWED_ORIGINS if it is"
    " a front end of yours."
)
Headers = list[tuple[str, str]]


class HeadersMiddleware:
    """Sets the request id and completes the headers of every response."""

    def __init__(self, wsgi_app: "WSGIApplication", settings: config.Settings) -> None:
        self.wsgi_app = wsgi_app
        self.fixed_headers = FIXED_HEADERS + (
            (HSTS_HEADER,) if settings.public_url.startswith("https:") else ()
        )
        self.allowed_origins = frozenset(settings.allowed_origins)
        self.public_url = settings.public_url

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Store the request id and start time in the environ, and add headers to the response."""
        request_id = _request_id(environ)
        environ["gatehouse.request_id"] = request_id
        environ["gatehouse.started"] = clock.monotonic()
        cors_headers = self._cors_headers(environ)

        def start_with_headers(status: str, headers: Headers, exc_info: object = None) -> object:
            if status.startswith("204"):  # no content has no type
                headers[:] = [item for item in headers if item[0] != "Content-Type"]
            headers += self.fixed_headers
            headers.append(("X-Request-Id", request_id))
            headers += cors_headers
            present = {name for name, _ in headers}
            headers += [item for item in DEFAULT_HEADERS if item[0] not in present]
            return start_response(status, headers, exc_info)  # type: ignore[arg-type]

        return self.wsgi_app(environ, start_with_headers)  # type: ignore[arg-type]

    def _cors_headers(self, environ: "WSGIEnvironment") -> Headers:
        """Return the headers that let an allow-listed origin read the response (Fetch, CORS).

        A preflight gets the status of its route, like any OPTIONS: one to the forward-auth route is
        still rejected.
        """
        origin = environ.get("HTTP_ORIGIN")
        if origin not in self.allowed_origins:
            if environ.get("PATH_INFO") in OPEN_PATHS:
                return self._open_headers(environ)
            if origin and origin != self.public_url and _is_preflight(environ):
                logger().warning(NOT_ALLOWED, origin=origin[:200])
            return [("Vary", "Origin")] if self.allowed_origins else []
        preflight = PREFLIGHT_HEADERS if _is_preflight(environ) else ()
        return [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            *CORS_HEADERS,
            *preflight,
        ]

    def _open_headers(self, environ: "WSGIEnvironment") -> Headers:
        """Return the headers that let every origin read the response, without credentials."""
        preflight = OPEN_PREFLIGHT_HEADERS if _is_preflight(environ) else ()
        vary = [("Vary", "Origin")] if self.allowed_origins else []
        return [*vary, *OPEN_HEADERS, *preflight]


def _request_id(environ: "WSGIEnvironment") -> str:
    """Return the client's id when it is 1 to 64 safe characters, else a new one."""
    client_id: str = environ.get("HTTP_X_REQUEST_ID", "")
    return client_id if SAFE_REQUEST_ID.fullmatch(client_id) else str(crypto.new_id())


def _is_preflight(environ: "WSGIEnvironment") -> bool:
    has_header = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    return has_header and environ["REQUEST_METHOD"] == "OPTIONS"
