"""The envelope of every request and answer, around Flask: cheap, so that it may be everywhere.

Each answer gets the security headers, the request's id and, for allow-listed origins, CORS.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import config
from gatehouse.core import clock, crypto

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CLOSED = (
    "default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
UNLESS_SET = (
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", CLOSED),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
HSTS = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

HEADERS = "Authorization, Content-Type, Idempotency-Key, X-CSRF-Token, X-Device-Token, X-Request-Id"
PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE"),
    ("Access-Control-Allow-Headers", HEADERS),
    ("Access-Control-Max-Age", "600"),
)
READABLE = (
    ("Access-Control-Allow-Credentials", "true"),  # of origins that are named, never of any
    (
        "Access-Control-Expose-Headers",
        "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate",
    ),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
)
Headers = list[tuple[str, str]]


class Envelope:
    """A WSGI application around another one."""

    def __init__(self, inner: "WSGIApplication", settings: config.Settings) -> None:
        self.inner = inner
        self.fixed = ALWAYS + ((HSTS,) if settings.public_url.startswith("https:") else ())
        self.origins = frozenset(settings.allowed_origins)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Name the request, note when it came, and complete the headers of its answer."""
        request_id = _request_id(environ)
        environ["gatehouse.request_id"] = request_id
        environ["gatehouse.started"] = clock.monotonic()
        allowed = self._cross_origin(environ)

        def start(status: str, headers: Headers, exc_info: object = None) -> object:
            headers += self.fixed
            headers.append(("X-Request-Id", request_id))
            headers += allowed
            present = {name for name, _ in headers}
            headers += [item for item in UNLESS_SET if item[0] not in present]
            return start_response(status, headers, exc_info)  # type: ignore[arg-type]

        return self.inner(environ, start)  # type: ignore[arg-type]

    def _cross_origin(self, environ: "WSGIEnvironment") -> Headers:
        """Return what lets an allow-listed origin read the answer (Fetch standard, CORS).

        A preflight is answered by its route, like any OPTIONS: a gateway's question stays refused.
        """
        if not self.origins:
            return []
        origin = environ.get("HTTP_ORIGIN")
        if origin not in self.origins:
            return [("Vary", "Origin")]
        preflight = PREFLIGHT if _is_preflight(environ) else ()
        return [("Vary", "Origin"), ("Access-Control-Allow-Origin", origin), *READABLE, *preflight]


def _request_id(environ: "WSGIEnvironment") -> str:
    """Return the client's id when it is 1 to 64 safe characters, else a new one."""
    given: str = environ.get("HTTP_X_REQUEST_ID", "")
    return given if given and SAFE_ID.fullmatch(given) else str(crypto.new_id())


def _is_preflight(environ: "WSGIEnvironment") -> bool:
    asked = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    return asked and environ["REQUEST_METHOD"] == "OPTIONS"
