"""Settings of one-time codes and links: how long they work, and how long short codes are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gatehouse.settings.field import setting
from gatehouse.settings.parsers import duration, integer

A_DAY_BY_EMAIL = "NIST SP 800-63B-4 section 4.2.1.2: at most a day by e-mail"


def bounded(parse: Callable[[str], object], bound: str) -> Callable[[str], object]:
    """Return a parser whose error names the standard that sets the bound."""

    def read(value: str) -> object:
        try:
            return parse(value)
        except ValueError as problem:
            raise ValueError(f"{problem} ({bound})") from None

    read.__doc__ = parse.__doc__
    return read


@dataclass(frozen=True, kw_only=True)
class CodeSettings:
    """Codes and links.

    How long they work, within the bounds of the standards that each row names; a value out of
    bounds stops the start.
    """

    verification_lifetime: timedelta = setting(
        bounded(duration(600, 86_400), A_DAY_BY_EMAIL),
        "86400",
    )
    """Of the code and link that verify the address of a new account (NIST: a day at most)."""
    email_change_lifetime: timedelta = setting(
        bounded(duration(600, 86_400), A_DAY_BY_EMAIL),
        "3600",
    )
    """Of the code and link that verify a changed address (NIST: a day at most)."""
    password_reset_lifetime: timedelta = setting(
        bounded(duration(300, 3600), "requirement RG-03: at most 60 minutes by e-mail"), "3600"
    )
    """Of a password reset by e-mail (RG-03: 60 minutes at most); by SMS it is a short code."""
    invitation_lifetime: timedelta = setting(
        bounded(duration(3600, 604_800), "requirement PW-13: initial secrets are short-lived"),
        "259200",
    )
    """Of an invitation (three days; a week at most, as initial secrets are short-lived)."""
    login_link_lifetime: timedelta = setting(
        bounded(duration(60, 600), "OWASP ASVS 6.5.5: at most 10 minutes"), "600"
    )
    """Of a link to log in with (ASVS: 10 minutes at most)."""
    short_code_lifetime: timedelta = setting(
        bounded(duration(60, 600), "requirement MF-05: at most 10 minutes"), "600"
    )
    """Of short codes: all by SMS, and second factors by e-mail (MF-05: 10 minutes at most)."""
    short_code_digits: int = setting(
        bounded(integer(6, 10), "requirement MF-05: at least 6 digits"), "6"
    )
    """Length of short codes (MF-05: 6 digits at least); all others have 8."""
