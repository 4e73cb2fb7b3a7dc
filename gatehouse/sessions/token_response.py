"""Return tokens to clients: in the JSON body, or in HttpOnly cookies of browsers."""

from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

from marshmallow import ValidationError, validate

import config
from gatehouse.core.errors import ApiError
from gatehouse.devices import service as devices
from gatehouse.sessions import csrf, request_credentials
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.web import cookies
from gatehouse.web.fields import CodedMessage, String
from gatehouse.web.request_context import RequestContext

BODY, COOKIE = "body", "cookie"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""Hosts from which browsers accept Secure cookies, with prefixes, over plain http."""

CLEAR_SITE_DATA = ("Clear-Site-Data", '"cache", "storage"')
Headers = list[tuple[str, str]]


class TokenTransport(String):
    """The form field that selects how tokens are returned: `body` or `cookie`."""

    def __init__(self) -> None:
        choices = (validate.OneOf((BODY, COOKIE)), require_cookie_support)
        super().__init__(6, load_default=BODY, validate=choices)


def require_cookie_support(transport: str) -> None:
    """Check that browsers will accept our cookies.

    Raises:
        ValidationError: the public URL is neither https nor local, as `__Host-` cookies require.
    """
    url = urlsplit(config.settings().public_url)
    if transport == COOKIE and url.scheme != "https" and url.hostname not in LOCAL_HOSTS:
        message = "Cookies need a GATEHOUSE_PUBLIC_URL with https, or http://localhost."
        raise ValidationError(CodedMessage("cookies_impossible", message))


def token_response(tokens: object, transport: str, context: RequestContext) -> object:
    """Return the response body, and in cookie mode its headers; the body then has no tokens.

    MFA challenges are returned unchanged; only token responses are moved into cookies.
    """
    if not isinstance(tokens, TokenPair):
        return tokens
    if transport == COOKIE:
        token = csrf.token(str(tokens.session_id))
        body = {"expires_in": tokens.expires_in, "csrf_token": token, "user": tokens.user}
        return body, session_cookie_headers(tokens)
    hidden = context.device_token_from_cookie and tokens.device_token == context.device_token
    return replace(tokens, device_token=None) if hidden else tokens


def session_to_replace(transport: str) -> UUID | None:
    """Return the session that a login by cookie replaces; invalid cookies are ignored."""
    if transport != COOKIE:
        return None
    try:
        return UUID(request_credentials.session_from_cookies().sid)
    except ApiError:
        return None


def session_cookie_headers(tokens: TokenPair) -> Headers:
    """Return the headers that set the cookies of a session."""
    csrf_token = csrf.token(str(tokens.session_id))
    set_cookies = [
        cookies.set_cookie_header(cookies.ACCESS, tokens.access_token, tokens.expires_in),
        cookies.set_cookie_header(cookies.REFRESH, tokens.refresh_token, tokens.refresh_expires_in),
        cookies.set_cookie_header(cookies.CSRF, csrf_token, tokens.refresh_expires_in),
    ]
    if tokens.device_token:
        lifetime = int(devices.LIFETIME.total_seconds())
        set_cookies.append(cookies.set_cookie_header(cookies.DEVICE, tokens.device_token, lifetime))
    return [("Set-Cookie", cookie) for cookie in set_cookies]


def clear_cookies_headers() -> Headers:
    """Return the headers that delete the session's cookies; the device cookie stays."""
    names = (cookies.ACCESS, cookies.REFRESH, cookies.CSRF)
    expired = [("Set-Cookie", cookies.expire_cookie_header(name)) for name in names]
    return [CLEAR_SITE_DATA, *expired]
