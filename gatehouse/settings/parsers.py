"""Parsers convert the text of a setting to its value, or raise ValueError.

The message of the error follows the name of the setting ("PORT must be ..."). The docstring of a
parser is the type of the setting in `docs/settings.md`.
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

CODE_PATTERN = re.compile(r"[0-9]{4,12}")
HOST_PATTERN = re.compile(r"[a-z0-9._:-]+")
ANDROID_ORIGIN = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
"""Origin of an Android app: base64url of the SHA-256 of its signing certificate."""
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_-]*")
MAX_DISPLAY_NAME = 64
IpNetwork = IPv4Network | IPv6Network
EgressDestination = IpNetwork | tuple[str, int | None]
"""A network, or a host name and a port; port None allows any port."""


def string(value: str) -> str:
    """text"""
    return value


def display_name(value: str) -> str:
    """name, up to 64 characters without a colon"""
    if not value.isprintable() or ":" in value or len(value) > MAX_DISPLAY_NAME:
        raise ValueError("must be printable, without a colon, and 64 characters at most")
    return value


def file_path(value: str) -> str:
    """path of a file"""
    if not Path(value).is_file():
        raise ValueError("must be a file that exists")
    return value


def boolean(value: str) -> bool:
    """`true` or `false`, `on` or `off`"""
    try:
        return {"true": True, "on": True, "false": False, "off": False}[value.lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def choice(*choices: str) -> Callable[[str], str]:
    """Return a parser that accepts one of the given names."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    read.__doc__ = " or ".join(f"`{name}`" for name in choices)
    return read


def split_list(value: str) -> list[str]:
    """Return the items of a list separated by commas, without empty ones."""
    return [stripped for item in value.split(",") if (stripped := item.strip())]


def name_list(value: str) -> tuple[str, ...]:
    """names, separated by commas"""
    items = split_list(value)
    if not all(NAME_PATTERN.fullmatch(item) for item in items):
        raise ValueError("must be names in lower case, separated by commas")
    return tuple(dict.fromkeys(items))


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range."""

    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit()) or not minimum <= int(value) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(value)

    read.__doc__ = f"whole number, {minimum} to {maximum}"
    return read


def duration(minimum: int, maximum: int) -> Callable[[str], timedelta]:
    """Return a parser of durations in whole seconds, in a range."""
    seconds = integer(minimum, maximum)

    def read(value: str) -> timedelta:
        return timedelta(seconds=seconds(value))

    read.__doc__ = f"seconds, {minimum} to {maximum}"
    return read


def origin(value: str) -> str:
    """origin, such as `https://auth.example.com`"""
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://auth.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an origin only, without path, query or user")
    return f"{parts.scheme}://{_ascii(parts.netloc.lower())}"


def _ascii(netloc: str) -> str:
    """Return a host that is ASCII; of an internationalized one, browsers send the ASCII form."""
    if netloc.isascii():
        return netloc
    try:
        spelling = netloc.encode("idna").decode()
    except UnicodeError:
        raise ValueError("must have a host in ASCII") from None
    raise ValueError(f"must have its host in ASCII, as browsers send it: {spelling}")


def origin_list(value: str) -> tuple[str, ...]:
    """origins, separated by commas"""
    return tuple(origin(item) for item in split_list(value))


def webauthn_origins(value: str) -> tuple[str, ...]:
    """origins, separated by commas; an Android app is `android:apk-key-hash:...`"""
    return tuple(
        item if ANDROID_ORIGIN.fullmatch(item) else origin(item) for item in split_list(value)
    )


def domain_name(value: str) -> str:
    """domain name, such as `example.com`"""
    if not HOST_PATTERN.fullmatch(value):
        raise ValueError("must be a domain name, without scheme and port")
    return value


def email_domains(value: str) -> tuple[str, ...]:
    """domains, separated by commas; `*.example.com` means every subdomain"""
    items = [item.lower() for item in split_list(value)]
    if not all(HOST_PATTERN.fullmatch(item.removeprefix("*.")) for item in items):
        raise ValueError("must be domains such as example.com or *.example.com")
    return tuple(dict.fromkeys(items))


def aaguids(value: str) -> tuple[str, ...]:
    """AAGUIDs, separated by commas"""
    try:
        return tuple(str(UUID(item)) for item in split_list(value))
    except ValueError:
        raise ValueError("must be AAGUIDs like 2fc0579f-8113-47ea-b116-bb5a8db9202a") from None


def egress_destinations(value: str) -> tuple[EgressDestination, ...]:
    """host names, `host:port`, or networks such as `10.0.0.0/8`, separated by commas"""
    return tuple(_egress_destination(item) for item in split_list(value.lower()))


def ip_networks(value: str) -> tuple[IpNetwork, ...]:
    """networks such as `192.0.2.0/24`, separated by commas or lines; `#` begins a comment"""
    lines = [line.partition("#")[0].replace(",", " ") for line in value.splitlines()]
    return tuple(_ip_network(item) for line in lines for item in line.split())


def _ip_network(item: str) -> IpNetwork:
    try:
        network = ip_network(item)
    except ValueError:
        raise ValueError("must be networks such as 192.0.2.0/24") from None
    if network.prefixlen == 0:
        raise ValueError("must not include all IP addresses")
    return network


def _egress_destination(item: str) -> EgressDestination:
    try:
        network = ip_network(item)
    except ValueError:
        return _host_and_port(item)
    if network.prefixlen == 0:
        raise ValueError("must not allow all IP addresses")
    return network


def _host_and_port(item: str) -> tuple[str, int | None]:
    parts = split_url(f"//{item}")
    host = (parts.hostname or "").rstrip(".")
    valid = parts.netloc == item and "@" not in item and not item.endswith(":")
    if not valid or not HOST_PATTERN.fullmatch(host):
        raise ValueError("must be host names, host:port, or networks such as 10.0.0.0/8")
    return host, parts.port


def folder_path(value: str) -> str:
    """path of a folder"""
    if not Path(value).is_dir():
        raise ValueError("must be a folder that exists")
    return value


def http_url(value: str) -> str:
    """URL, such as `https://app.example.com` or `https://example.com/account`"""
    parts = split_url(value)
    plain = not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ValueError("must look like https://app.example.com, without query or user")
    return f"{parts.scheme}://{_ascii(parts.netloc.lower())}{parts.path.rstrip('/')}"


def mapping(value: str) -> dict[str, str]:
    """`ann@example.com=12345678`, `+4915112345678=123456`, separated by commas"""
    pairs = [item.partition("=") for item in split_list(value.lower())]
    if not all(name and CODE_PATTERN.fullmatch(code) for name, _, code in pairs):
        raise ValueError("must be like ann@example.com=12345678, with 4 to 12 digits")
    return {name: code for name, _, code in pairs}


def pem_certificates(value: str) -> str:
    """certificates in PEM"""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (ssl.SSLError, TypeError):
        raise ValueError("must be certificates in PEM") from None
    return value


def database_url(value: str) -> str:
    """`sqlite:///path` or `postgresql://user:password@host/name`"""
    scheme, _, rest = value.partition("://")
    if scheme == "sqlite" and (":memory:" in rest or "mode=memory" in rest):
        raise ValueError(
            "must name a file: each process would have a database of its own in memory"
        )
    if scheme == "sqlite" and rest.strip("/"):
        return value
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError("must start with postgresql://, or with sqlite:/// and a path")
    try:
        make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError):
        raise ValueError("must look like postgresql://user:password@host:5432/name") from None
    return f"postgresql+psycopg://{rest}"


def postgresql_url(value: str) -> str:
    """`postgresql://user:password@host/name`"""
    if value.startswith("sqlite:"):
        raise ValueError("must start with postgresql://")
    return database_url(value)


REDIS_SCHEMES = {"redis": "redis", "valkey": "redis", "unix": "unix"} | {
    "rediss": "rediss",
    "valkeys": "rediss",
}
"""Schemes of the setting, and those of the client library."""


def redis_url(value: str) -> str:
    """`redis://host:port/0`, `rediss://` for TLS, `unix:///run/redis.sock`; `valkey://`, too"""
    scheme, _, rest = value.partition("://")
    if scheme not in REDIS_SCHEMES or not rest:
        raise ValueError("must start with redis://, rediss://, unix://, valkey:// or valkeys://")
    split_url(value)
    return f"{REDIS_SCHEMES[scheme]}://{rest}"


def split_url(value: str) -> SplitResult:
    """Split a URL; the error message never contains the value, which may include a password."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # is parsed only on access
    except ValueError:
        raise ValueError("must be a URL with a valid host and port") from None
    return parts
