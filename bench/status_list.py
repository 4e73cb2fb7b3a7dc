"""How large a status list of a million sessions is, and how long it takes to make one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric import ec

from gatehouse.core import clock
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens.keys import ACTIVE, Key
from gatehouse.tokens.worker_state import TokenState

NAME = "status-list"
SESSIONS = 1_000_000
SHARES = (0.001, 0.01, 0.1)  # of the sessions that ended in the last 16 minutes
URI = "https://auth.example.com/tokens/status/0"
HEAD = ("ended, of a million sessions", "bytes of the status list", "ms to make it")


@dataclass(frozen=True)
class Size:
    """The list of a million sessions of which a share has ended."""

    ended: float
    octets: int
    milliseconds: float


def measure(rounds: int) -> list[Size]:
    """Make, compress and sign lists; the times are medians."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = Key("bench", "ES256", ACTIVE, private, private.public_key(), {})
    return [_measure(share, key, rounds) for share in SHARES]


def rows(sizes: Sequence[Size]) -> list[tuple[str, ...]]:
    """Return the rows of a table of sizes, as HEAD names the columns."""
    return [(f"{s.ended:.1%}", f"{s.octets:,}", f"{s.milliseconds:.2f}") for s in sizes]


def _measure(share: float, key: Key, rounds: int) -> Size:
    tokens, soon = TokenState(), clock.now() + timedelta(minutes=16)
    for position in random.sample(range(SESSIONS), round(SESSIONS * share)):
        tokens.end(str(position), position, soon)
    times = []
    for _ in range(rounds):
        began = perf_counter()
        made = status_lists.make(0, URI, tokens, key)
        times.append(1000 * (perf_counter() - began))
    return Size(share, len(made.token), median(times))
