"""Readers turn the text of a setting into a value, or raise ValueError ending "SETTING ...".

The docstring of a reader is its type in `docs/settings.md`.
"""

import re
import ssl
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

CODE = re.compile(r"[0-9]{4,12}")
HOST = re.compile(r"[a-z0-9._:-]+")
ANDROID = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
"""How Android tells an app's signing certificate: the base64url of its SHA-256."""
NAME = re.compile(r"[a-z][a-z0-9_-]*")
LONGEST_TITLE = 64
Network = IPv4Network | IPv6Network
Destination = Network | tuple[str, int | None]
"""A network, or the name of a host with its port or with any."""


def text(value: str) -> str:
    """text"""
    return value


def title(value: str) -> str:
    """name, up to 64 characters without a colon"""
    if not value.isprintable() or ":" in value or len(value) > LONGEST_TITLE:
        raise ValueError("must be printable, without a colon, and 64 characters at most")
    return value


def file(value: str) -> str:
    """path of a file"""
    if not Path(value).is_file():
        raise ValueError("must name a file that is there")
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


def names(value: str) -> tuple[str, ...]:
    """names, separated by commas"""
    items = [item.strip() for item in value.split(",") if item.strip()]
    if not all(NAME.fullmatch(item) for item in items):
        raise ValueError("must be names in small letters, separated by commas")
    return tuple(dict.fromkeys(items))


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
    parts = split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://auth.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an origin only, without path, query or user")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def origins(value: str) -> tuple[str, ...]:
    """origins, separated by commas"""
    return tuple(origin(item.strip()) for item in value.split(",") if item.strip())


def page_origins(value: str) -> tuple[str, ...]:
    """origins, separated by commas; an Android app is `android:apk-key-hash:...`"""
    items = [item.strip() for item in value.split(",") if item.strip()]
    return tuple(item if ANDROID.fullmatch(item) else origin(item) for item in items)


def domain(value: str) -> str:
    """domain name, such as `example.com`"""
    if not HOST.fullmatch(value):
        raise ValueError("must be a domain name, without scheme and port")
    return value


def models(value: str) -> tuple[str, ...]:
    """AAGUIDs, separated by commas"""
    try:
        return tuple(str(UUID(item.strip())) for item in value.split(",") if item.strip())
    except ValueError:
        raise ValueError("must be AAGUIDs like 2fc0579f-8113-47ea-b116-bb5a8db9202a") from None


def destinations(value: str) -> tuple[Destination, ...]:
    """host names, `host:port`, or networks such as `10.0.0.0/8`, separated by commas"""
    return tuple(_destination(item.strip().lower()) for item in value.split(",") if item.strip())


def networks(value: str) -> tuple[Network, ...]:
    """networks such as `192.0.2.0/24`, separated by commas or lines; `#` begins a comment"""
    lines = [line.partition("#")[0].replace(",", " ") for line in value.splitlines()]
    return tuple(_network(item) for line in lines for item in line.split())


def _network(item: str) -> Network:
    try:
        network = ip_network(item)
    except ValueError:
        raise ValueError("must be networks such as 192.0.2.0/24") from None
    if network.prefixlen == 0:
        raise ValueError("must not name all addresses")
    return network


def _destination(item: str) -> Destination:
    try:
        network = ip_network(item)
    except ValueError:
        return _host_and_port(item)
    if network.prefixlen == 0:
        raise ValueError("must not allow all addresses")
    return network


def _host_and_port(item: str) -> tuple[str, int | None]:
    parts = split(f"//{item}")
    host = (parts.hostname or "").rstrip(".")
    whole = parts.netloc == item and "@" not in item and not item.endswith(":")
    if not whole or not HOST.fullmatch(host):
        raise ValueError("must be host names, host:port, or networks such as 10.0.0.0/8")
    return host, parts.port


def folder(value: str) -> str:
    """path of a folder"""
    if not Path(value).is_dir():
        raise ValueError("must be a folder that exists")
    return value


def web_address(value: str) -> str:
    """URL, such as `https://app.example.com` or `https://example.com/account`"""
    parts = split(value)
    plain = not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ValueError("must look like https://app.example.com, without query or user")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def pairs(value: str) -> dict[str, str]:
    """`ann@example.com=12345678`, `+4915112345678=123456`, separated by commas"""
    found = [item.strip().lower().partition("=") for item in value.split(",") if item.strip()]
    if not all(whom and CODE.fullmatch(code) for whom, _, code in found):
        raise ValueError("must be like ann@example.com=12345678, with 4 to 12 digits")
    return {whom: code for whom, _, code in found}


def certificates(value: str) -> str:
    """certificates in PEM"""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, TypeError):
        raise ValueError("must be certificates in PEM") from None
    return value


def database_url(value: str) -> str:
    """`sqlite:///path` or `postgresql://user:password@host/name`"""
    scheme, _, rest = value.partition("://")
    if scheme == "sqlite" and rest.strip("/"):
        return value
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError("must start with postgresql:// or name a file with sqlite:///")
    try:
        make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError):
        raise ValueError("must look like postgresql://user:password@host:5432/name") from None
    return f"postgresql+psycopg://{rest}"


def redis_url(value: str) -> str:
    """`redis://host:port/0`, or `rediss://` for TLS"""
    if split(value).scheme not in ("redis", "rediss"):
        raise ValueError("must start with redis:// or rediss://")
    return value


def split(value: str) -> SplitResult:
    """Take a URL apart; whatever is wrong with it, the message does not repeat it."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # is read only now
    except ValueError:
        raise ValueError("must be a URL with a valid host and port") from None
    return parts
