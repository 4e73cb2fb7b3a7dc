"""The addresses of front ends that users may come back to."""

from urllib.parse import urlsplit

import config

MAX_LENGTH = 2000
CHALLENGE_PATTERN = r"[A-Za-z0-9_-]{43}\Z"
"""A code challenge by S256 (RFC 7636 section 4.2)."""


def is_allowed(url: str) -> bool:
    """Return whether a URL is of our own origin or of an allowed one, exactly.

    Whatever browsers and this parser could read differently is not allowed.
    """
    settings = config.settings()
    if len(url) > MAX_LENGTH or not url.isascii() or not url.isprintable():
        return False
    if any(character in url for character in '\\ #<>"^`{|}') or url.count("//") != 1:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin in (settings.public_url, *settings.allowed_origins)


def add_parameter(url: str, name: str, value: str) -> str:
    """Return a URL with one more parameter in its query; the value is URL-safe."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{name}={value}"
