"""Account enumeration: whether responses or their times differ between known and unknown accounts.

Measured at login, forgotten password, resend and registration.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import perf_counter

from bench.comparisons import Bench
from bench.finding import Finding
from bench.load import HttpClient, HttpResponse

NAME = "equality"
PAIRS, FEWER_PAIRS = 200, 50
"""Pairs of a known and an unknown account; two of the four routes hash a password for each account,
so these take 200 and 50 seconds."""
WRONG = "seven red lanterns at the harbour"
WARM_UP = 4
FORGOT, RESEND = "/auth/password/forgot", "/auth/email/resend"
REGISTER = "/auth/register"
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE_MS = 0.05, 5.0
"""Allowed difference of the medians; the larger one counts."""
SIGNIFICANCE_LEVEL = 0.01
"""Of the Mann-Whitney test: the lowest p that counts as no difference."""
VOLATILE_HEADERS = ("date", "x-request-id")
Action = Callable[[str], HttpResponse]
"""Sends a request about the account with an e-mail address."""


@dataclass
class Group:
    """Accounts of one kind (known or unknown), with the times and contents of their responses."""

    accounts: Sequence[str]
    times: list[float] = field(default_factory=list)
    responses: set[tuple[object, bytes]] = field(default_factory=set)

    def measure(self, number: int, action: Action) -> None:
        """Run an action on an account for the first time; record its response and milliseconds."""
        began = perf_counter()
        response = action(self.accounts[number])
        self.times.append(1000 * (perf_counter() - began))
        self.responses.add(_comparable(response))


def study(bench: Bench, pairs: int) -> list[Finding]:
    """Request known and unknown accounts alternately, on one connection per route."""
    port = bench.environment.service_port
    actions: dict[str, Action] = {
        "login": partial(_log_in_wrong, HttpClient(port, "/auth/login")),
        "forgot": partial(_request_mail, HttpClient(port, FORGOT)),
        "resend": partial(_request_mail, HttpClient(port, RESEND)),
        "register": partial(_register, HttpClient(port, REGISTER)),  # last: it queues mail
    }
    emails = bench.users.emails()[:pairs]
    return [
        finding for name, action in actions.items() for finding in _compare(name, action, emails)
    ]


def _compare(name: str, action: Action, emails: Sequence[str]) -> list[Finding]:
    for number in range(WARM_UP):
        action(f"warm-up{number}@example.com")
    known, unknown = Group(emails), Group([f"unknown-{email}" for email in emails])
    for number in range(len(emails)):
        for side in (known, unknown) if number % 2 else (unknown, known):
            side.measure(number, action)
    return _findings(name, known, unknown)


def mann_whitney_p(some: Sequence[float], others: Sequence[float]) -> float:
    """Return p of the two-sided Mann-Whitney U test, by the normal approximation.

    There is no correction for ties: times are practically never equal.
    """
    larger = sum((a > b) + (a == b) / 2 for a in some for b in others)
    pairs = len(some) * len(others)
    spread = math.sqrt(pairs * (len(some) + len(others) + 1) / 12)
    return math.erfc(abs(larger - pairs / 2) / spread / math.sqrt(2))


def _log_in_wrong(caller: HttpClient, email: str) -> HttpResponse:
    """Send a wrong password; the sixth for one account would be throttled.

    Each account gets another one: the same password at many accounts is credential stuffing, which
    makes the service require a CAPTCHA.
    """
    response = caller.post(json.dumps({"identifier": email, "password": f"{WRONG}, {email}"}))
    caller.require(401, response)
    return response


def _request_mail(caller: HttpClient, email: str) -> HttpResponse:
    """Request a mail."""
    response = caller.post(json.dumps({"email": email}))
    caller.require(202, response)
    return response


def _register(caller: HttpClient, email: str) -> HttpResponse:
    """Register."""
    response = caller.post(json.dumps({"email": email, "password": WRONG}))
    caller.require(202, response)
    return response


def _comparable(response: HttpResponse) -> tuple[object, bytes]:
    """Return headers and content without those that always differ: request id and date."""
    request_id = response.header("X-Request-Id").encode()
    headers = tuple(h for h in response.headers if h[0].lower() not in VOLATILE_HEADERS)
    return headers, response.content.replace(request_id, b"")


def _findings(name: str, known: Group, unknown: Group) -> list[Finding]:
    found = partial(Finding, NAME)
    medians = median(known.times), median(unknown.times)
    difference = abs(medians[0] - medians[1])
    tolerance = max(ABSOLUTE_TOLERANCE_MS, RELATIVE_TOLERANCE * medians[0])
    times = f"known {medians[0]:.1f} ms, unknown {medians[1]:.1f} ms"
    accounts = f"{len(known.times)} known and as many unknown accounts, in turn"
    distinct = float(len(known.responses | unknown.responses) - 1)
    p = mann_whitney_p(known.times, unknown.times)
    subject = f"{name}, known or unknown account"
    no_difference = "chance of such a difference between equal groups"
    return [
        found(f"{subject}: responses that differ", distinct, "", 1, details=accounts),
        found(f"{subject}: medians apart", difference, "ms", tolerance, details=times),
        found(f"{subject}: Mann-Whitney p", p, "", None, SIGNIFICANCE_LEVEL, no_difference),
    ]
