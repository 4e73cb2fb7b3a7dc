"""What every answer carries: security headers, the request's id, and CORS for the allow-list."""

from flask import Flask, Response, request

import config
from gatehouse.foundation.visitor import request_id

CLOSED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
HSTS = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
EXPOSED = "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate"
METHODS = "GET, POST, PATCH, PUT, DELETE"
ALLOWED = "Authorization, Content-Type, X-Request-Id"


def dress(app: Flask) -> None:
    """Add the headers to every answer of an application."""
    settings = config.settings()
    fixed = ALWAYS + ((HSTS,) if settings.public_url.startswith("https:") else ())
    origins = frozenset(settings.allowed_origins)

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        headers.extend(fixed)
        headers.add("X-Request-Id", request_id())
        headers.setdefault("Content-Security-Policy", CLOSED)
        headers.setdefault("Cache-Control", "no-store")
        if origins:
            _allow_origin(response, origins)
        return response

    @app.before_request
    def answer_preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        return Response(status=204)


def _allow_origin(response: Response, origins: frozenset[str]) -> None:
    """Let the scripts of an allow-listed origin read the answer (Fetch standard, CORS protocol)."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = ALLOWED
        response.headers["Access-Control-Max-Age"] = "600"
