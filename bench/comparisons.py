"""What is compared with what: a measurement of the service, and one of what it is made of."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean, median

from bench import raw
from bench.lanes import CORES, Measurement, measure
from bench.load import BEARER, CONNECTIONS, LOGIN, REFRESH, Load, send
from bench.people import People
from bench.stage import BARE, Stage

LOGINS_AT_ONCE = 8 * CORES  # enough that a hash always waits at every worker
SESSIONS = 8 * CONNECTIONS
LOGIN_TURNS = 3  # there are few in a second, so a round is long, and the machine drifts in it
WARM_UP = 1  # seconds
LOG_IN = "POST /auth/login"

Measure = Callable[[], Measurement]


@dataclass(frozen=True)
class Comparison:
    """One line of the report; the ratio of the two rates shall not fall below the bar."""

    name: str
    subject: str
    reference: str
    bar: float
    measure_subject: Measure
    measure_reference: Measure
    turns: int = 1
    """How often a round measures each side."""


@dataclass(frozen=True)
class Result:
    """The medians of all rounds; the ratio is the median of the rounds' ratios."""

    name: str
    subject: str
    reference: str
    bar: float
    ratio: float
    ratios: list[float]
    service: Measurement
    raw: Measurement


def run(comparison: Comparison, rounds: int) -> Result:
    """Measure both sides, and return what the report tells of them."""
    sides, turns = (comparison.measure_reference, comparison.measure_subject), comparison.turns
    pairs = [_one_round(in_turn(*sides, turns)) for _ in range(rounds)]
    ratios = [subject.rate / reference.rate for reference, subject in pairs]
    return Result(
        name=comparison.name,
        subject=comparison.subject,
        reference=comparison.reference,
        bar=comparison.bar,
        ratio=median(ratios),
        ratios=ratios,
        service=middle([subject for _, subject in pairs]),
        raw=middle([reference for reference, _ in pairs]),
    )


def in_turn(
    reference: Measure, subject: Measure, rounds: int
) -> list[tuple[Measurement, Measurement]]:
    """Measure both sides in turn, so that a noisy moment troubles both."""
    return [(reference(), subject()) for _ in range(rounds)]


def _one_round(turns: list[tuple[Measurement, Measurement]]) -> tuple[Measurement, Measurement]:
    """Return both sides of a round: what was done in all its turns, of equal length."""
    references, subjects = (list(side) for side in zip(*turns, strict=True))
    return _whole(references), _whole(subjects)


def _whole(parts: list[Measurement]) -> Measurement:
    return replace(middle(parts), rate=fmean(part.rate for part in parts))


def middle(measured: list[Measurement]) -> Measurement:
    """Return the medians."""
    return Measurement(
        rate=median(one.rate for one in measured),
        p50=median(one.p50 for one in measured),
        p99=median(one.p99 for one in measured),
    )


class Bench:
    """The measurements, on one stage, with one group of people."""

    def __init__(self, stage: Stage, people: People, seconds: int) -> None:
        self.stage, self.people, self.seconds = stage, people, seconds
        self.bare_rate = 0.0

    def comparisons(self) -> list[Comparison]:
        """Return what is compared, in the order of the report."""
        verify, me, bare = "GET /gateway/verify", "GET /auth/me", "a bare Flask route"
        known, new = (self.login, self.bcrypt), (self.log_in_new, self.bcrypt)
        return [
            Comparison("login", LOG_IN, "bcrypt", 0.95, *known, turns=LOGIN_TURNS),
            Comparison("login-new", LOG_IN, "bcrypt", 0.9, *new, turns=LOGIN_TURNS),
            Comparison("verify-warm", verify, bare, 0.7, self.verify_warm, self.bare),
            Comparison("verify-cold", verify, bare, 0.4, self.verify_cold, self.bare),
            Comparison("me", me, bare, 0.15, self.me, self.bare),
            Comparison("refresh", "POST /auth/refresh", "psycopg", 0.12, self.refresh, self.rows),
        ]

    def login(self) -> Measurement:
        """Log in with the right password, each person in turn, on a device of theirs."""
        return self._log_in(self.people.logins())

    def log_in_new(self) -> Measurement:
        """Do the same from devices that nobody has seen: most owners are told by mail."""
        return self._log_in(self.people.new_logins())

    def bcrypt(self) -> Measurement:
        """Verify passwords on all cores, without any service."""
        return measure(raw.bcrypt_lane, CORES, self.seconds)

    def bare(self) -> Measurement:
        """Ask the bare route, with the same headers as the service's."""
        found = self._ask(self.stage.bare, BARE)
        self.bare_rate = found.rate
        return found

    def verify_warm(self) -> Measurement:
        """Ask whether requests may pass, with a thousand tokens that the workers have seen."""
        return self._ask(self.stage.service, "/gateway/verify")

    def verify_cold(self) -> Measurement:
        """Ask the same with tokens that nobody has seen; no route is faster than the bare one."""
        count = math.ceil(self.bare_rate * self.seconds) + CONNECTIONS
        tokens = self.people.access_tokens(count)
        found = send(Load(self.stage.service, "/gateway/verify", BEARER, tokens), self.seconds)
        if found.rate * self.seconds > count:
            raise RuntimeError(f"{count} tokens were too few: some were seen twice")
        return found

    def me(self) -> Measurement:
        """Read a thousand profiles, each by its owner."""
        return self._ask(self.stage.service, "/auth/me")

    def refresh(self) -> Measurement:
        """Exchange refresh tokens for their children, of a few sessions on each connection."""
        return self.refresh_at(self.stage.service)

    def refresh_at(self, port: int) -> Measurement:
        """Do the same at another service."""
        tokens = self.people.refresh_tokens(SESSIONS)
        return send(Load(port, "/auth/refresh", REFRESH, tokens), self.seconds)

    def rows(self) -> Measurement:
        """Do to the same rows, with the same statements, what a refresh does."""
        tokens = [raw.current(token) for token in self.people.refresh_tokens(SESSIONS)]
        recording = self.people.record_refresh()
        rows = raw.Rows(self.stage.dsn, recording, tokens, CONNECTIONS)
        return measure(rows.lane, CONNECTIONS, self.seconds)

    def _log_in(self, logins: list[str]) -> Measurement:
        load = Load(self.stage.service, "/auth/login", LOGIN, logins)
        return send(load, self.seconds, LOGINS_AT_ONCE)

    def _ask(self, port: int, path: str) -> Measurement:
        load = Load(port, path, BEARER, self.people.access_tokens())
        send(load, WARM_UP)
        return send(load, self.seconds)
