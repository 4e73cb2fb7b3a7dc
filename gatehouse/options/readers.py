"""Readers turn the text of a setting into a value, or raise ValueError ending "SETTING ...".

The docstring of a reader is its type in `docs/settings.md`.
"""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit


def text(value: str) -> str:
    """text"""
    return value


def switch(value: str) -> bool:
    """`true` or `false`, `on` or `off`"""
    try:
        return {"true": True, "on": True, "false": False, "off": False}[value.lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def one_of(*names: str) -> Callable[[str], str]:
    """Return a reader of one of the given names."""

    def read(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    read.__doc__ = " or ".join(f"`{name}`" for name in names)
    return read


def number(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in a range."""

    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    read.__doc__ = f"whole number, {low} to {high}"
    return read


def seconds(low: int, high: int) -> Callable[[str], timedelta]:
    """Return a reader of durations in whole seconds, in a range."""
    whole = number(low, high)

    def read(value: str) -> timedelta:
        return timedelta(seconds=whole(value))

    read.__doc__ = f"seconds, {low} to {high}"
    return read


def origin(value: str) -> str:
    """origin, such as `https://auth.example.com`"""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://auth.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an origin only, without path, query or user")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def origins(value: str) -> tuple[str, ...]:
    """origins, separated by commas"""
    return tuple(origin(item.strip()) for item in value.split(",") if item.strip())


def database_url(value: str) -> str:
    """`sqlite:///path` or `postgresql://user:password@host/name`"""
    scheme, _, rest = value.partition("://")
    if scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    if scheme != "sqlite" or not rest.strip("/"):
        raise ValueError("must start with postgresql:// or name a file with sqlite:///")
    return value


def redis_url(value: str) -> str:
    """`redis://host:port/0`, or `rediss://` for TLS"""
    if not value.startswith(("redis://", "rediss://")):
        raise ValueError("must start with redis:// or rediss://")
    return value
