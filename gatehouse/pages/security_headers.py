"""What every hosted page tells the browser: where content may come from and what may be kept.

And what the page is told itself: its nonce and its language.
"""

from flask import Blueprint, Response, g, request

import config
from gatehouse.core import crypto, i18n
from gatehouse.core.i18n import Language
from gatehouse.web.request_context import visitor

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
    told = {"nonce": nonce, "spoken": spoken, "_": say}
    blueprint.context_processor(lambda: told | {"service": config.settings().service_name})


def spoken() -> Language:
    """Return the language of the page that is being written: the visitor's, where we have it."""
    if "spoken" not in g:
        g.spoken = i18n.choose(None, visitor().languages)
    language: Language = g.spoken
    return language


def say(text: str, **values: str) -> str:
    """Return a text in the page's language, its `%(name)s` filled in."""
    return spoken().say(text) % values


def _label(response: Response) -> Response:
    """Set the content policy and the caching; only a static file that was found may be kept."""
    is_asset = request.endpoint == "pages.static" and response.status_code in (200, 206, 304)
    response.headers.setdefault("Content-Security-Policy", CSP.format(nonce=nonce()))
    response.headers["Reporting-Endpoints"] = f'csp="{REPORTS}"'
    response.vary.update(["Accept-Language"] if "spoken" in g else [])
    response.headers["Cache-Control"] = STATIC_CACHING if is_asset else "no-store"
    return response
