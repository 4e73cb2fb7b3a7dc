"""Size of a status list of a million sessions, and the time to build it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric import ec

from gatehouse.core import clock
from gatehouse.tokens import status_list as status_lists
from gatehouse.tokens.key_set import ACTIVE, Key
from gatehouse.tokens.worker_state import TokenState

NAME = "status-list"
SESSIONS = 1_000_000
ENDED_SHARES = (0.001, 0.01, 0.1)  # shares of the sessions, ended in the last 16 minutes
URI = "https://auth.example.com/tokens/status/0"
HEAD = ("ended, of a million sessions", "bytes of the status list", "ms to build it")


@dataclass(frozen=True)
class ListSize:
    """Size and build time of a list of which a share of the sessions has ended."""

    ended: float
    size_bytes: int
    milliseconds: float


def measure(rounds: int) -> list[ListSize]:
    """Build, compress and sign lists; times are medians."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = Key("bench", "ES256", ACTIVE, private, private.public_key(), {})
    return [_measure_share(share, key, rounds) for share in ENDED_SHARES]


def rows(sizes: Sequence[ListSize]) -> list[tuple[str, ...]]:
    """Return the rows of a table with the columns HEAD."""
    return [(f"{s.ended:.1%}", f"{s.size_bytes:,}", f"{s.milliseconds:.2f}") for s in sizes]


def _measure_share(share: float, key: Key, rounds: int) -> ListSize:
    tokens, soon = TokenState(), clock.now() + timedelta(minutes=16)
    for position in random.sample(range(SESSIONS), round(SESSIONS * share)):
        tokens.add_revocation(str(position), position, soon)
    times = []
    for _ in range(rounds):
        began = perf_counter()
        made = status_lists.build_status_list(0, URI, tokens, key)
        times.append(1000 * (perf_counter() - began))
    return ListSize(share, len(made.token), median(times))
