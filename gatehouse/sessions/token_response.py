"""How tokens travel: in the JSON of apps, or in cookies that no script of a browser can read."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from marshmallow import ValidationError, validate

import config
from gatehouse.core.errors import Refusal
from gatehouse.devices import service as devices
from gatehouse.sessions import csrf, request_credentials
from gatehouse.sessions.service import Tokens
from gatehouse.web import cookies
from gatehouse.web.fields import Coded, Text
from gatehouse.web.request_context import Visitor

BODY, COOKIE = "body", "cookie"
TRUSTED = ("localhost", "127.0.0.1", "::1")
"""Hosts whose plain http browsers trust with Secure cookies, prefixes included."""

CLEAR = ("Clear-Site-Data", '"cache", "storage"')
Headers = list[tuple[str, str]]


class Transport(Text):
    """How the tokens of a login shall travel."""

    def __init__(self) -> None:
        choices = [validate.OneOf((BODY, COOKIE)), require_cookies_to_work]
        super().__init__(6, load_default=BODY, validate=choices)


def require_cookies_to_work(transport: str) -> None:
    """Return if browsers will keep our cookies.

    Raises:
        ValidationError: they keep `__Host-` and `__Secure-` only of https, or of this machine.
    """
    url = urlsplit(config.settings().public_url)
    if transport == COOKIE and url.scheme != "https" and url.hostname not in TRUSTED:
        sentence = "Cookies need a GATEHOUSE_PUBLIC_URL with https, or http://localhost."
        raise ValidationError(Coded("cookies_impossible", sentence))


def hand_over(tokens: Any, transport: str, visitor: Visitor) -> Any:
    """Return the answer, and for cookies its headers: then no token stands in the body.

    What is no token, but a question for a second factor, is answered as it is.
    """
    if not isinstance(tokens, Tokens):
        return tokens
    if transport == COOKIE:
        token = csrf.token(str(tokens.session_id))
        answer = {"expires_in": tokens.expires_in, "csrf_token": token, "user": tokens.user}
        return answer, [("Set-Cookie", cookie) for cookie in _cookies(tokens, token)]
    hidden = visitor.device_by_cookie and tokens.device_token == visitor.device
    return replace(tokens, device_token=None) if hidden else tokens


def replaced_by(transport: str) -> UUID | None:
    """Return the session whose cookies those of a login replace; bad ones keep nobody out."""
    if transport != COOKIE:
        return None
    try:
        return UUID(request_credentials.holder().sid)
    except Refusal:
        return None


def _cookies(tokens: Tokens, csrf_token: str) -> list[str]:
    kept = [
        cookies.keep(cookies.ACCESS, tokens.access_token, tokens.expires_in),
        cookies.keep(cookies.REFRESH, tokens.refresh_token, tokens.refresh_expires_in),
        cookies.keep(cookies.CSRF, csrf_token, tokens.refresh_expires_in),
    ]
    if tokens.device_token:
        lifetime = int(devices.LIFETIME.total_seconds())
        kept.append(cookies.keep(cookies.DEVICE, tokens.device_token, lifetime))
    return kept


def farewell() -> Headers:
    """Return the headers that make a browser forget the session; its device stays known."""
    gone = [cookies.expire(name) for name in (cookies.ACCESS, cookies.REFRESH, cookies.CSRF)]
    return [CLEAR, *(("Set-Cookie", cookie) for cookie in gone)]
