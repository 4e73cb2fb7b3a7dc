"""The one canonical form of each identifier, decided here and nowhere else.

E-mail: the local part is ASCII and compared without case; the domain is its IDNA form. So no two
addresses that look alike (dotless i, the Kelvin sign) can meet in one form.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email

USERNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,30})[A-Za-z0-9]")


@dataclass(frozen=True)
class Email:
    """An address as written, with its domain in ASCII, and the form that is compared."""

    address: str
    canonical: str


def email(text: str) -> Email:
    """Read an e-mail address (RFC 5321 section 4.1.2, without quoted local parts).

    Raises:
        ValueError: with a sentence that says why it is none.
    """
    try:
        found = validate_email(
            text,
            allow_smtputf8=False,
            check_deliverability=False,
            test_environment=True,  # lets `.test` pass, which belongs to nobody (RFC 6761)
        )
    except EmailNotValidError as problem:
        raise ValueError(str(problem)) from None
    address = f"{found.ascii_local_part}@{found.ascii_domain}"
    if "=?" in address:  # RFC 2047 section 5: no encoded words; mail programs would decode them
        raise ValueError("An encoded word cannot stand in an address.")
    return Email(address, address.lower())


def username(text: str) -> str:
    """Return the canonical form of a username: 3 to 32 ASCII letters, digits, dots, _ and -.

    Raises:
        ValueError: with a sentence that says why it is none.
    """
    if not USERNAME.fullmatch(text):
        raise ValueError(
            "Use 3 to 32 letters, digits, dots, hyphens or underscores;"
            " the first and the last is a letter or a digit."
        )
    return text.lower()


def phone(text: str) -> str:
    """Return a phone number in E.164, such as +4915112345678.

    Raises:
        ValueError: with a sentence that says why it is none.
    """
    written = _e164(text)
    if written is None or _e164(written) != written:  # else one number could be read as another
        raise ValueError("Write the number with its country, such as +49 151 12345678.")
    return written


def _e164(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def canonical(text: str) -> str:
    """Return the one form of an identifier of any kind, and a form of text that is none.

    Only what has a form by the rules above may be looked up.
    """
    try:
        if "@" in text:
            return email(text).canonical
        return phone(text) if text.startswith("+") else username(text)
    except ValueError:
        return unicodedata.normalize("NFC", text.casefold())


def destination(form: Mapping[str, Any]) -> str:
    """Return the address or number that a form names, in its canonical form; "" where is none."""
    named, read = form.get("email"), _canonical_email
    if named is None:
        named, read = form.get("phone"), phone
    try:
        return read(named) if isinstance(named, str) else ""
    except ValueError:
        return ""


def _canonical_email(text: str) -> str:
    return email(text).canonical
