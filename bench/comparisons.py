"""Comparisons: a measurement of the service, and one of a library that it is built on."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean, median

from bench import raw
from bench.environment import BARE_PATH, BenchEnvironment
from bench.load import BEARER, CONNECTIONS, LOGIN, REFRESH, Load, send
from bench.users import Users
from bench.workers import CORES, Measurement, measure

CONCURRENT_LOGINS = 8 * CORES  # enough that every worker always has a password to hash
SESSIONS = 8 * CONNECTIONS
LOGIN_REPETITIONS = 3  # logins are slow, so rounds are long and the machine's speed drifts
WARM_UP = 1  # seconds
LOG_IN = "POST /auth/login"

Measure = Callable[[], Measurement]


@dataclass(frozen=True)
class Comparison:
    """One line of the report; the ratio of the two rates must not fall below the bar."""

    name: str
    subject: str
    reference: str
    bar: float
    measure_subject: Measure
    measure_reference: Measure
    repetitions: int = 1
    """How often each side is measured per round."""


@dataclass(frozen=True)
class Result:
    """Medians over all rounds; `ratio` is the median of the ratios of the rounds."""

    name: str
    subject: str
    reference: str
    bar: float
    ratio: float
    ratios: list[float]
    service: Measurement
    raw: Measurement


def run(comparison: Comparison, rounds: int) -> Result:
    """Measure both sides of a comparison for a number of rounds."""
    sides = (comparison.measure_reference, comparison.measure_subject)
    pairs = [
        _summarize_round(measure_alternately(*sides, comparison.repetitions)) for _ in range(rounds)
    ]
    ratios = [subject.rate / reference.rate for reference, subject in pairs]
    return Result(
        name=comparison.name,
        subject=comparison.subject,
        reference=comparison.reference,
        bar=comparison.bar,
        ratio=median(ratios),
        ratios=ratios,
        service=median_measurement([subject for _, subject in pairs]),
        raw=median_measurement([reference for reference, _ in pairs]),
    )


def measure_alternately(
    reference: Measure, subject: Measure, rounds: int
) -> list[tuple[Measurement, Measurement]]:
    """Measure both sides alternately, so that a noisy moment affects both."""
    return [(reference(), subject()) for _ in range(rounds)]


def _summarize_round(
    pairs: list[tuple[Measurement, Measurement]],
) -> tuple[Measurement, Measurement]:
    """Return reference and subject of a round: the mean rates of its repetitions."""
    references, subjects = (list(side) for side in zip(*pairs, strict=True))
    return _mean_rate(references), _mean_rate(subjects)


def _mean_rate(parts: list[Measurement]) -> Measurement:
    return replace(median_measurement(parts), rate=fmean(part.rate for part in parts))


def median_measurement(measured: list[Measurement]) -> Measurement:
    """Return the medians of rate, p50 and p99."""
    return Measurement(
        rate=median(one.rate for one in measured),
        p50=median(one.p50 for one in measured),
        p99=median(one.p99 for one in measured),
    )


class Bench:
    """The measurements of the service and of its references, in one environment."""

    def __init__(self, environment: BenchEnvironment, users: Users, seconds: int) -> None:
        self.environment, self.users, self.seconds = environment, users, seconds
        self.bare_rate = 0.0

    def comparisons(self) -> list[Comparison]:
        """Return all comparisons, in the order of the report."""
        verify, me, bare = "GET /gateway/verify", "GET /auth/me", "a bare Flask route"
        known, new = (self.login, self.bcrypt), (self.login_new_device, self.bcrypt)
        return [
            Comparison("login", LOG_IN, "bcrypt", 0.95, *known, repetitions=LOGIN_REPETITIONS),
            Comparison("login-new", LOG_IN, "bcrypt", 0.9, *new, repetitions=LOGIN_REPETITIONS),
            Comparison("verify-warm", verify, bare, 0.7, self.verify_warm, self.bare),
            Comparison("verify-cold", verify, bare, 0.4, self.verify_cold, self.bare),
            Comparison("me", me, bare, 0.15, self.me, self.bare),
            Comparison(
                "refresh",
                "POST /auth/refresh",
                "psycopg",
                0.12,
                self.refresh,
                self.refresh_with_psycopg,
            ),
        ]

    def login(self) -> Measurement:
        """Log in with the password, each user in turn, from a known device."""
        return self._log_in(self.users.logins())

    def login_new_device(self) -> Measurement:
        """Log in from unknown devices, of which most users are notified by mail."""
        return self._log_in(self.users.logins_from_new_devices())

    def bcrypt(self) -> Measurement:
        """Verify passwords on all cores, without a service."""
        return measure(raw.bcrypt_worker, CORES, self.seconds)

    def bare(self) -> Measurement:
        """Request the bare route, with the same headers as the service's routes."""
        found = self._get(self.environment.bare_port, BARE_PATH)
        self.bare_rate = found.rate
        return found

    def verify_warm(self) -> Measurement:
        """Verify requests with a thousand access tokens that the workers have cached."""
        return self._get(self.environment.service_port, "/gateway/verify")

    def verify_cold(self) -> Measurement:
        """Verify requests with access tokens that no worker has cached, each used once."""
        count = math.ceil(self.bare_rate * self.seconds) + CONNECTIONS
        tokens = self.users.access_tokens(count)
        found = send(
            Load(self.environment.service_port, "/gateway/verify", BEARER, tokens), self.seconds
        )
        if found.rate * self.seconds > count:
            raise RuntimeError(f"{count} tokens were too few: some were used twice")
        return found

    def me(self) -> Measurement:
        """Read the profiles of a thousand users, each with its own access token."""
        return self._get(self.environment.service_port, "/auth/me")

    def refresh(self) -> Measurement:
        """Exchange refresh tokens, of several sessions per connection."""
        return self.refresh_at(self.environment.service_port)

    def refresh_at(self, port: int) -> Measurement:
        """Exchange refresh tokens at the service on a port."""
        tokens = self.users.refresh_tokens(SESSIONS)
        return send(Load(port, "/auth/refresh", REFRESH, tokens), self.seconds)

    def refresh_with_psycopg(self) -> Measurement:
        """Execute the SQL statements of refreshes on the same tables, without the service."""
        tokens = [raw.decode_refresh_token(token) for token in self.users.refresh_tokens(SESSIONS)]
        recording = self.users.record_refresh()
        rows = raw.PsycopgRefreshes(self.environment.dsn, recording, tokens, CONNECTIONS)
        return measure(rows.start_worker, CONNECTIONS, self.seconds)

    def _log_in(self, logins: list[str]) -> Measurement:
        load = Load(self.environment.service_port, "/auth/login", LOGIN, logins)
        return send(load, self.seconds, CONCURRENT_LOGINS)

    def _get(self, port: int, path: str) -> Measurement:
        load = Load(port, path, BEARER, self.users.access_tokens())
        send(load, WARM_UP)
        return send(load, self.seconds)
