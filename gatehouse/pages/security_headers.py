"""Security headers of the hosted pages: content security policy and caching.

Also the template context of the pages: nonce, language and translation.
"""

import re

from flask import Blueprint, Response, g, request

import config
from gatehouse.core import crypto, i18n
from gatehouse.core.errors import NotFound
from gatehouse.core.i18n import Language
from gatehouse.pages.account import catalogue
from gatehouse.pages.branding import describe_brand
from gatehouse.web.request_context import request_context

SEALED = re.compile(r"[A-Za-z0-9_-]{1,16000}")
"""The parameter `request` of the pages that a sign-in leads through."""

MAX_LOCALES = 10
REPORTS_PATH = "/csp-reports"
CSP = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
    f"report-to csp; report-uri {REPORTS_PATH}"
)
ASSETS = ("pages.static", "branding.show_theme", "branding.show_picture")
STATIC_CACHE_CONTROL = "public, max-age=86400"


def nonce() -> str:
    """Return the CSP nonce of this response; only scripts with it run."""
    if "nonce" not in g:
        g.nonce = crypto.random_token()
    return str(g.nonce)


ALWAYS_ON = re.compile(
    r"pages\.(home|docs|static|record_csp_report)|(errors|mailbox|branding)\..*|"
    r"(authorization|end_session)\..*"
)
"""Endpoints that exist without pages for people, too: endpoints of OAuth, and for developers."""


def register_security_headers(blueprint: Blueprint) -> None:
    """Add the headers to all responses of a blueprint, and the context to its templates."""
    blueprint.before_request(_require_pages)
    blueprint.after_request(_set_headers)
    context: dict[str, object] = {"nonce": nonce, "current_locale": current_locale, "_": gettext}
    context |= {"link_to": link_to, "sign_in_url": sign_in_url, "continuation": continuation}
    blueprint.context_processor(lambda: context | _settings())


def _require_pages() -> None:
    """Hide the pages for people where the operator has switched them off."""
    if not config.settings().pages and not ALWAYS_ON.fullmatch(request.endpoint or ""):
        raise NotFound


def sealed_request() -> str:
    """Return the sign-in that this page belongs to, or ""; it is not verified yet."""
    given = request.values.get("request", "")
    return given if SEALED.fullmatch(given) else ""


def account_page() -> str:
    """Return the account page that this sign-in leads to, or ""."""
    given = request.values.get("page", "")
    return given if given in catalogue.TITLES else ""


def continuation() -> dict[str, str]:
    """Return what the next page has to know: where a sign-in leads to, and the language."""
    language = {"ui_locales": tag} if (tag := requested_language()) else {}
    if sealed := sealed_request():
        return {"request": sealed, **language}
    return {"page": page, **language} if (page := account_page()) else language


def link_to(path: str) -> str:
    """Return a link to another page of the same sign-in."""
    query = "&".join(f"{name}={value}" for name, value in continuation().items())
    return f"{path}?{query}" if query else path


def sign_in_url() -> str:
    """Return where the user signs in: for the application that asks for it, else for oneself."""
    return link_to("/login") if sealed_request() else "/account"


def _settings() -> dict[str, object]:
    """Return the settings that templates use."""
    settings = config.settings()
    named = {"service": settings.service_name, "registration": settings.registration}
    return {**named, **describe_brand()}


def requested_language() -> str:
    """Return the language that the address or the form of this page asks for, or ""."""
    return i18n.first_supported(request.values.get("ui_locales", "").split()[:MAX_LOCALES])


def prefer_languages(*tags: str | None) -> None:
    """Choose the language: that of the address, else of these, else of the browser."""
    ranges = [requested_language(), *(tag for tag in tags if tag)]
    accepted = request_context().accept_language
    g.locale = i18n.choose_language(i18n.first_supported(ranges) or None, accepted)


def current_locale() -> Language:
    """Return the language of this response: that of the address, else of the browser."""
    if "locale" not in g:
        prefer_languages()
    language: Language = g.locale
    return language


def gettext(text: str, **values: str) -> str:
    """Return a text in the language of this response, with its `%(name)s` filled in."""
    return current_locale().gettext(text) % values


def _set_headers(response: Response) -> Response:
    """Set the content security policy and caching; only existing static files are cached."""
    is_asset = request.endpoint in ASSETS and response.status_code in (200, 206, 304)
    response.headers.setdefault("Content-Security-Policy", CSP.format(nonce=nonce()))
    response.headers["Reporting-Endpoints"] = f'csp="{REPORTS_PATH}"'
    response.vary.update(["Accept-Language"] if "locale" in g else [])
    response.headers["Cache-Control"] = STATIC_CACHE_CONTROL if is_asset else "no-store"
    return response
