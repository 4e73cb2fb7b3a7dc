"""Readers of the settings of mail and SMS."""

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from ipaddress import ip_address
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

from gatehouse.settings.parsers import HOST, split

PORTS = {"smtp": 587, "smtps": 465, "insecure-smtp": 25}
LOOK = "must look like smtp://user:password@mail.example.com:587"
NAME = re.compile(r"[a-z0-9_]+")
GATEWAY = re.compile(rf"{NAME.pattern}|.+\.toml")
MAILBOX = re.compile(r"(?P<name>[^<>]*)<(?P<named>[^<>]+)>|(?P<bare>[^<>]+)")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over: `smtp` wants STARTTLS, `smtps` is TLS from the first byte."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def mail_servers(value: str) -> tuple[MailServer, ...]:
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://...:465`, several in order"""
    return tuple(_mail_server(item.strip()) for item in value.split(",") if item.strip())


def _mail_server(item: str) -> MailServer:
    parts = split(item)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in PORTS or not HOST.fullmatch(host):
        raise ValueError(LOOK)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{LOOK}; /, ?, # and commas in a password are written %2F, %3F, %23, %2C")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or UNPRINTABLE.search(user + password):
        raise ValueError("must hold a user and a password, or neither")
    if parts.scheme == "insecure-smtp" and (user or not _is_here(host)):
        raise ValueError("must not send mail in plain text to another machine, or a password")
    return MailServer(parts.scheme, host, parts.port or PORTS[parts.scheme], user, password)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def mailbox(value: str) -> Address:
    """an address, such as `no-reply@example.com` or `Example <no-reply@example.com>`"""
    parts = MAILBOX.fullmatch(value)
    if not parts or UNPRINTABLE.search(value):
        raise ValueError("must look like Example <no-reply@example.com>")
    name, address = parts["name"] or "", parts["named"] or parts["bare"]
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise ValueError("must look like Example <no-reply@example.com>") from None
    if not found.ascii_local_part:
        raise ValueError("must be an address in ASCII before the @")
    return Address(name.strip(' "'), found.ascii_local_part, found.ascii_domain)


def channels(value: str) -> tuple[str, ...]:
    """names, separated by commas; each is tried when those before it have failed"""
    return _items(value, NAME, "must be names such as smtp, separated by commas")


def gateways(value: str) -> tuple[str, ...]:
    """names, or paths that end in `.toml`, separated by commas; tried in this order"""
    return _items(value, GATEWAY, "must be names such as twilio, or paths that end in .toml")


def _items(value: str, shape: re.Pattern[str], complaint: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in value.split(",") if item.strip())
    if not items or not all(shape.fullmatch(item) for item in items):
        raise ValueError(complaint)
    return items
