"""Parsers for the settings of mail and SMS."""

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

from gatehouse.settings.parsers import HOST_PATTERN, split_list, split_url

DEFAULT_PORTS = {"smtp": 587, "smtps": 465, "insecure-smtp": 25}
SMTP_URL_SHAPE = "must look like smtp://user:password@mail.example.com:587"
CHANNEL_NAME = re.compile(r"[a-z0-9_]+")
GATEWAY_NAME = re.compile(rf"{CHANNEL_NAME.pattern}|.+\.toml")
MAILBOX_PATTERN = re.compile(r"(?P<name>[^<>]*)<(?P<named>[^<>]+)>|(?P<bare>[^<>]+)")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class SmtpServer:
    """A mail server; scheme `smtp` requires STARTTLS, `smtps` is TLS from the first byte."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def smtp_servers(value: str) -> tuple[SmtpServer, ...]:
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://...:465`, several in order"""
    return tuple(_smtp_server(item) for item in split_list(value))


def _smtp_server(item: str) -> SmtpServer:
    parts = split_url(item)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in DEFAULT_PORTS or not HOST_PATTERN.fullmatch(host):
        raise ValueError(SMTP_URL_SHAPE)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            f"{SMTP_URL_SHAPE}; /, ?, # and commas in a password are written %2F, %3F, %23, %2C"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or UNPRINTABLE.search(user + password):
        raise ValueError("must have a user and a password, or neither")
    if parts.scheme == "insecure-smtp" and user:
        raise ValueError("must not send a password in plain text; use smtp:// or smtps://")
    return SmtpServer(parts.scheme, host, parts.port or DEFAULT_PORTS[parts.scheme], user, password)


def mail_sender(value: str) -> Address:
    """e-mail address, such as `no-reply@example.com` or `Example <no-reply@example.com>`"""
    parts = MAILBOX_PATTERN.fullmatch(value)
    if not parts or UNPRINTABLE.search(value):
        raise ValueError("must look like Example <no-reply@example.com>")
    name, email = parts["name"] or "", parts["named"] or parts["bare"]
    try:
        found = validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise ValueError("must look like Example <no-reply@example.com>") from None
    if not found.ascii_local_part:
        raise ValueError("must have only ASCII characters before the @")
    return Address(name.strip(' "'), found.ascii_local_part, found.ascii_domain)


def channel_names(value: str) -> tuple[str, ...]:
    """names, separated by commas; tried in this order"""
    return _matching_items(value, CHANNEL_NAME, "must be names such as smtp, separated by commas")


def gateway_names(value: str) -> tuple[str, ...]:
    """names, or paths ending in `.toml`, separated by commas; tried in this order"""
    return _matching_items(
        value, GATEWAY_NAME, "must be names such as twilio, or paths that end in .toml"
    )


def _matching_items(value: str, pattern: re.Pattern[str], message: str) -> tuple[str, ...]:
    items = tuple(split_list(value))
    if not items or not all(pattern.fullmatch(item) for item in items):
        raise ValueError(message)
    return items
