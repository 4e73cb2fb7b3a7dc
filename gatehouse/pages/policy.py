"""What every hosted page tells the browser: where content may come from and what may be kept."""

from flask import Response, request

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
STATIC_CACHING = "public, max-age=86400"


def guard(response: Response) -> Response:
    """Set the content policy and the caching; only a static file that was found may be kept."""
    is_asset = request.endpoint == "pages.static" and response.status_code in (200, 206, 304)
    response.headers["Content-Security-Policy"] = CSP
    response.headers["Cache-Control"] = STATIC_CACHING if is_asset else "no-store"
    return response
