"""Canonical forms of e-mail addresses, usernames and phone numbers.

E-mail: the local part is ASCII and case-insensitive; the domain is in its IDNA form. So two
addresses that look alike (dotless i, the Kelvin sign) never share a canonical form.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from gatehouse.one_time_codes.channel import CHANNELS, EMAIL

USERNAME_PATTERN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,30})[A-Za-z0-9]")


@dataclass(frozen=True)
class Email:
    """An e-mail address as written, with its domain in ASCII, and its canonical form."""

    as_written: str
    canonical: str


def parse_email(text: str) -> Email:
    """Parse an e-mail address (RFC 5321 section 4.1.2, without quoted local parts).

    Raises:
        ValueError: the address is malformed; the message says why.
    """
    try:
        found = validate_email(
            text,
            allow_smtputf8=False,
            check_deliverability=False,
            strict=True,  # RFC 5321 section 4.5.3.1.1: local parts of at most 64 octets
            test_environment=True,  # accepts the reserved domain `.test` (RFC 6761)
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    address = f"{found.ascii_local_part}@{found.ascii_domain}"
    if "=?" in address:  # RFC 2047 section 5: no encoded words; mail programs would decode them
        raise ValueError("An e-mail address must not contain an encoded word (=?...?=).")
    return Email(address, address.lower())


def parse_username(text: str) -> str:
    """Return the canonical form of a username: 3 to 32 characters of A-Z, a-z, 0-9, `.`, _ and -.

    Raises:
        ValueError: the username breaks these rules; the message says how.
    """
    if not USERNAME_PATTERN.fullmatch(text):
        raise ValueError(
            "Use 3 to 32 letters, digits, dots, hyphens or underscores;"
            " the first and the last is a letter or a digit."
        )
    return text.lower()


def parse_phone(text: str) -> str:
    """Return a phone number in E.164, such as +4915112345678.

    Raises:
        ValueError: this is no phone number with a country code.
    """
    number = _format_e164(text)
    # formatting must be stable, or one number could be parsed as another one
    if number is None or _format_e164(number) != number:
        raise ValueError("Write the number with its country, such as +49 151 12345678.")
    return number


def _format_e164(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def canonicalize(text: str) -> str:
    """Return the canonical form of an identifier of any kind, or a normalized form of other text.

    Such other text is only a counter's key: no account can have it as an identifier.
    """
    try:
        if "@" in text:
            return parse_email(text).canonical
        return parse_phone(text) if text.startswith("+") else parse_username(text)
    except ValueError:
        return unicodedata.normalize("NFC", text.casefold())


def get_recipient(form: Mapping[str, object]) -> str:
    """Return the canonical e-mail address or number that unvalidated form data gives, or ""."""
    for channel in CHANNELS.values():
        value = form.get(channel.form_field)
        if value is not None:
            return _parse_recipient(channel.identifier, value)
    return ""


def _parse_recipient(identifier: str, value: object) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return parse_email(value).canonical if identifier == EMAIL else parse_phone(value)
    except ValueError:
        return ""
