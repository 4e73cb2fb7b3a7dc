"""What every hosted page tells the browser: where content may come from and what may be kept."""

from flask import Blueprint, Response, g, request

from gatehouse.foundation import crypto

REPORTS = "/csp-reports"
CSP = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
    f"report-to csp; report-uri {REPORTS}"
)
STATIC_CACHING = "public, max-age=86400"


def nonce() -> str:
    """Return the nonce of the page that is being written; only scripts that carry it run."""
    if "nonce" not in g:
        g.nonce = crypto.token()
    return str(g.nonce)


def guard(blueprint: Blueprint) -> None:
    """Set the policy of every page of a blueprint, and what its pages need to follow it."""
    blueprint.after_request(_label)
    blueprint.context_processor(lambda: {"nonce": nonce})


def _label(response: Response) -> Response:
    """Set the content policy and the caching; only a static file that was found may be kept."""
    is_asset = request.endpoint == "pages.static" and response.status_code in (200, 206, 304)
    response.headers["Content-Security-Policy"] = CSP.format(nonce=nonce())
    response.headers["Reporting-Endpoints"] = f'csp="{REPORTS}"'
    response.headers["Cache-Control"] = STATIC_CACHING if is_asset else "no-store"
    return response
