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

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

HOST = re.compile(r"[a-z0-9._:-]+")
Network = IPv4Network | IPv6Network
Destination = Network | tuple[str, int | None]
"""A network, or the name of a host with its port or with any."""


def text(value: str) -> str:
    """text"""
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
