"""Canonical forms of e-mail addresses, usernames and phone numbers.

Spaces around them are ignored, also invisible ones, as people paste them.

E-mail: the local part is ASCII and case-insensitive; the domain is in its IDNA form. So two
addresses that look alike (dotless i, the Kelvin sign) never share a canonical form.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumberFormat, ValidationResult

from gatehouse.core.typed_text import strip_invisible
from gatehouse.one_time_codes.channel import CHANNELS, EMAIL

USERNAME_PATTERN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,30})[A-Za-z0-9]")

PHONE_MESSAGE = "Write the number with its country, such as +49 151 12345678."
IMPOSSIBLE_PHONE_MESSAGES: Mapping[int, str] = {
    reason: f"This number is too {word} for its country; check the digits."
    for reason, word in (
        (ValidationResult.TOO_SHORT, "short"),
        (ValidationResult.IS_POSSIBLE_LOCAL_ONLY, "short"),
        (ValidationResult.TOO_LONG, "long"),
    )
}
"""What is wrong with a number that no telephone of its country can have."""


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
            strip_invisible(text),
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
    username = strip_invisible(text)
    if not USERNAME_PATTERN.fullmatch(username):
        raise ValueError(
            "Use 3 to 32 letters, digits, dots, hyphens or underscores;"
            " the first and the last is a letter or a digit."
        )
    return username.lower()


def parse_phone(text: str) -> str:
    """Return a phone number in E.164, such as +4915112345678.

    Raises:
        ValueError: this is no phone number with a country code; the message says why.
    """
    number = _format_e164(strip_invisible(text))
    # formatting must be stable, or one number could be parsed as another one
    if _format_e164(number) != number:
        raise ValueError(PHONE_MESSAGE)
    return number


def _format_e164(text: str) -> str:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise ValueError(PHONE_MESSAGE) from None
    if number.extension:
        raise ValueError("Leave out the extension: messages reach the number itself only.")
    possibility = phonenumbers.is_possible_number_with_reason(number)
    if possibility != ValidationResult.IS_POSSIBLE:
        raise ValueError(IMPOSSIBLE_PHONE_MESSAGES.get(possibility, PHONE_MESSAGE))
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def canonicalize(text: str) -> str:
    """Return the canonical form of an identifier of any kind, or a normalized form of other text.

    Such other text is only a counter's key: no account can have it as an identifier.
    """
    identifier = strip_invisible(text)
    try:
        if "@" in identifier:
            return parse_email(identifier).canonical
        is_phone = identifier.startswith("+")
        return parse_phone(identifier) if is_phone else parse_username(identifier)
    except ValueError:
        return unicodedata.normalize("NFC", identifier.casefold())


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
