"""Settings of the rate limits: one for each row of the table of limits."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gatehouse.settings.field import setting
from gatehouse.settings.parsers import split_list

RATE = re.compile(r"(\d{1,7}) ?(?:/|per) ?(\d{0,4}) ?(second|minute|hour)s?")
KIND = re.compile(r"(ip_address|recipient_and_network|recipient|overall)=(.+)")
SECONDS = {"second": 1, "minute": 60, "hour": 3600}
LONGEST_WINDOW = 86_400
SHAPE = "must look like 60/minute, or 60/minute, recipient=10/10 minutes, overall=1200/minute"
SENDING = (
    "60/minute, recipient_and_network=4/10 minutes, recipient=10/10 minutes, overall=1200/minute"
)
"""Of the routes that send something to a recipient in the body."""


@dataclass(frozen=True)
class Limits:
    """Rate limits of a route, counted in this order until one is exceeded."""

    ip_address: str = ""
    """Per client network: an IPv4 address or an IPv6 /64."""
    recipient_and_network: str = ""
    """Per recipient and network: one network alone cannot use up the limit of a recipient."""
    recipient: str = ""
    """Per e-mail address or phone number in the body, registered or not."""
    overall: str = ""
    """For all clients together, where a request costs a password hash or a message."""


def limits(default: str) -> Callable[[str], Limits]:
    """Return a parser of limits; those that are not given keep their default."""

    def read(value: str) -> Limits:
        standard = _parse_limits(default)
        given = {kind: rate for kind, rate in asdict(_parse_limits(value)).items() if rate}
        for kind in given:
            if not getattr(standard, kind):
                raise ValueError(f"has no limit for {kind}")
        return replace(standard, **given)

    read.__doc__ = (
        "requests per time, for each network; `recipient_and_network=`, `recipient=` and"
        " `overall=` after commas"
    )
    return read


def limit(default: str) -> Any:
    """Declare the setting of a row of the table."""
    return setting(limits(default), default)


def _parse_limits(value: str) -> Limits:
    """Parse limits such as `60/minute, overall=6000/minute`."""
    rates: dict[str, str] = {}
    for item in split_list(value):
        named = KIND.fullmatch(item)
        kind, rate = named.groups() if named else ("ip_address", item)
        if kind in rates:
            raise ValueError(f"has two limits for {kind}")
        rates[kind] = _parse_rate(rate)
    return Limits(**rates)


def _parse_rate(rate: str) -> str:
    """Return a rate in the form `10 per 10 minutes`."""
    found = RATE.fullmatch(rate.strip())
    if not found:
        raise ValueError(SHAPE)
    amount, number, unit = int(found[1]), int(found[2] or 1), found[3]
    if not 1 <= amount <= 1_000_000 or not 1 <= number * SECONDS[unit] <= LONGEST_WINDOW:
        raise ValueError("must allow 1 to 1000000 requests, in 1 second to 24 hours")
    return f"{amount} per {unit}" if number == 1 else f"{amount} per {number} {unit}s"


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Rate limits.

    `GATEHOUSE_LIMIT_LOGIN=300/minute` allows each network (an IPv4 address or an IPv6 /64) 300
    requests a minute: useful where an office is behind one address. `recipient=` is the limit for
    each e-mail address or phone number in the body, from all networks together;
    `recipient_and_network=` is what one network (an IPv4 address or an IPv6 /56) may use of it, so
    that a stranger cannot use up the owner's; and `overall=` is the limit for all clients together.
    What is not given keeps its default. The lockout after wrong passwords and codes does not depend
    on these settings. The reasons for the numbers are in
    [decision 15](decisions/0015-three-rate-limits-for-a-route.md) and
    [decision 53](decisions/0053-one-network-cannot-use-up-the-limit-of-a-recipient.md).
    """

    limit_login: Limits = limit("60/minute, overall=6000/minute")
    """Every route that takes a password."""
    limit_register: Limits = limit(SENDING)
    """Registration."""
    limit_forgot: Limits = limit(SENDING)
    """Requests for a password reset or an MFA recovery."""
    limit_resend: Limits = limit(SENDING)
    """Requests to send a verification e-mail again."""
    limit_reset: Limits = limit("60/minute, overall=6000/minute")
    """Password resets with a code or a link."""
    limit_change: Limits = limit(SENDING)
    """Changes of e-mail address and phone number; exports and deletions of one's account."""
    limit_link: Limits = limit(SENDING)
    """Requests for a link or a code to log in with."""
    limit_verify: Limits = limit("60/minute, overall=6000/minute")
    """Codes and links that verify an address or number, or restore an account."""
    limit_invitation: Limits = limit("60/minute, overall=6000/minute")
    """Accepted invitations."""
    limit_factor: Limits = limit("60/minute, overall=6000/minute")
    """Routes that send or take a second factor."""
    limit_refresh: Limits = limit("300/minute")
    """Refreshes of tokens."""
    limit_passkey: Limits = limit("60/minute, overall=6000/minute")
    """Options for passkeys, and logins with them."""
    limit_logout: Limits = limit("100/minute")
    """Logouts."""
    limit_authorize: Limits = limit("300/minute")
    """Authorization requests of applications, and the pages that follow."""
    limit_report: Limits = limit("20/minute")
    """Reports of browsers about the content security policy."""
    limit_admin: Limits = limit("300/minute")
    """All routes below `/admin` together."""
    limit_api_key: Limits = limit("20/minute")
    """Requests with API keys that do not exist."""
    limit_client: Limits = limit("20/minute")
    """Failed authentications of applications."""
    limit_grant: Limits = limit("60/minute")
    """Codes and tokens that applications present for which these were not issued."""
    limit_captcha: Limits = limit("60/minute")
    """New CAPTCHAs."""


ROUTE_LIMITS: dict[str, Limits] = {
    field.name.removeprefix("limit_"): field.metadata["read"](field.metadata["default"])
    for field in fields(LimitSettings)
}
"""The default limits of each row of the table, by its name; settings change their numbers only."""
