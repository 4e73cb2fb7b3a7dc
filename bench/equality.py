"""Whether an answer or its time tells of an account: at login, forgot, resend and register."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import perf_counter

from bench.comparisons import Bench
from bench.finding import Finding
from bench.load import Answer, Caller

NAME = "equality"
PAIRS, FEWER_PAIRS = 200, 50
"""Of a known and an unknown account: a hash each for two of the four, so at cost 12 these take 200
and 50 seconds."""
WRONG = "seven red lanterns at the harbour"
WARM_UP = 4
FORGOT, RESEND = "/auth/password/forgot", "/auth/email/resend"
REGISTER = "/auth/register"
PART, MILLISECONDS = 0.05, 5.0
"""The medians may be so far apart; the larger one counts."""
CHANCE = 0.01
"""Of a difference at least as large between two groups that do not differ."""
OF_EACH_ANSWER = ("date", "x-request-id")
Act = Callable[[str], Answer]
"""Asks something of an account."""


@dataclass
class Side:
    """The accounts of one kind: how long their answers took, and what they were."""

    accounts: Sequence[str]
    times: list[float] = field(default_factory=list)
    answers: set[tuple[object, bytes]] = field(default_factory=set)

    def ask(self, number: int, act: Act) -> None:
        """Do something with an account that it was not done with before, and note the answer."""
        began = perf_counter()
        answer = act(self.accounts[number])
        self.times.append(1000 * (perf_counter() - began))
        self.answers.add(_told(answer))


def study(bench: Bench, pairs: int) -> list[Finding]:
    """Ask of known and unknown accounts in turn, on one connection; who is first alternates."""
    port = bench.stage.service
    acts: dict[str, Act] = {
        "login": partial(_guess, Caller(port, "/auth/login")),
        "forgot": partial(_mail, Caller(port, FORGOT)),
        "resend": partial(_mail, Caller(port, RESEND)),
        "register": partial(_register, Caller(port, REGISTER)),  # last: then some mails wait
    }
    people = bench.people.addresses()
    return [
        finding for name, act in acts.items() for finding in _compare(name, act, people[:pairs])
    ]


def _compare(name: str, act: Act, people: Sequence[str]) -> list[Finding]:
    for number in range(WARM_UP):
        act(f"stranger{number}@example.com")
    known, unknown = Side(people), Side([f"nobody-{person}" for person in people])
    for number in range(len(people)):
        for side in (known, unknown) if number % 2 else (unknown, known):
            side.ask(number, act)
    return _findings(name, known, unknown)


def chance(some: Sequence[float], others: Sequence[float]) -> float:
    """Return how likely two groups that do not differ look at least as different as these.

    Mann and Whitney's test, two-sided, by the normal approximation; times are never quite equal.
    """
    larger = sum((a > b) + (a == b) / 2 for a in some for b in others)
    pairs = len(some) * len(others)
    spread = math.sqrt(pairs * (len(some) + len(others) + 1) / 12)
    return math.erfc(abs(larger - pairs / 2) / spread / math.sqrt(2))


def _guess(caller: Caller, who: str) -> Answer:
    """Send a wrong password; the sixth for an account would wait.

    It is another one for each account: one for all would raise the guard, which asks for a CAPTCHA.
    """
    answer = caller.post(json.dumps({"identifier": who, "password": f"{WRONG}, {who}"}))
    caller.require(401, answer)
    return answer


def _mail(caller: Caller, who: str) -> Answer:
    """Ask for a mail."""
    answer = caller.post(json.dumps({"email": who}))
    caller.require(202, answer)
    return answer


def _register(caller: Caller, who: str) -> Answer:
    """Ask for an account."""
    answer = caller.post(json.dumps({"email": who, "password": WRONG}))
    caller.require(202, answer)
    return answer


def _told(answer: Answer) -> tuple[object, bytes]:
    """Return the answer without what is every answer's own: its id and the time of day."""
    request_id = answer.header("X-Request-Id").encode()
    headers = tuple(h for h in answer.headers if h[0].lower() not in OF_EACH_ANSWER)
    return headers, answer.content.replace(request_id, b"")


def _findings(name: str, known: Side, unknown: Side) -> list[Finding]:
    found = partial(Finding, NAME)
    medians = median(known.times), median(unknown.times)
    apart, most = abs(medians[0] - medians[1]), max(MILLISECONDS, PART * medians[0])
    times = f"known {medians[0]:.1f} ms, unknown {medians[1]:.1f} ms"
    asked = f"{len(known.times)} known and as many unknown accounts, in turn"
    more = float(len(known.answers | unknown.answers) - 1)
    likely = chance(known.times, unknown.times)
    return [
        found(f"{name}, known or unknown account: answers that differ", more, "", 1, about=asked),
        found(f"{name}, known or unknown account: medians apart", apart, "ms", most, about=times),
        found(
            f"{name}, known or unknown account: Mann-Whitney p",
            likely,
            "",
            least=CHANCE,
            about="as if they were alike",
        ),
    ]
