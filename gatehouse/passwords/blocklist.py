"""The passwords that guessers try first, and what is made of them.

The list is data, built by `tools/build_blocklist.py`; `data/README.md` tells where it comes from.
"""

import gzip
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from gatehouse.passwords import variants

FEW_GUESSES = 1_000_000  # also where zxcvbn's score 2 begins
LONGEST_PART = 20  # code points
CONNECTING_RANK = 30
CONNECTING = (
    *("a", "i", "u", "2", "4", "am", "an", "and", "are", "at", "be", "for", "from", "go", "her"),
    *("his", "in", "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "the"),
    *("this", "that", "to", "us", "we", "with", "you", "your", "all", "best", "big", "ever"),
    *("like", "love", "loves", "new", "old", "one", "only", "so", "super", "very", "who", "yes"),
)

Ranking = Callable[[str], int | None]


def names(password: str) -> bool:
    """Tell whether the password is on the list, or is a listed one made longer in a usual way."""
    return any(
        is_made_of(stem, _rank) or variants.is_pattern(stem) for stem in variants.stems(password)
    )


def is_made_of(text: str, rank: Ranking) -> bool:
    """Tell whether the text is ranked, or ranked parts in a row that take few guesses to find.

    The guesses for a row of parts are the product of their ranks.
    """
    if rank(text) is not None:
        return True
    guesses = {0: 1}  # of the cheapest row of parts that ends there
    for start in range(len(text)):
        if start in guesses:
            _extend(guesses, text, start, rank)
    return bool(text) and len(text) in guesses


def _extend(guesses: dict[int, int], text: str, start: int, rank: Ranking) -> None:
    for end in range(start + 1, min(len(text), start + LONGEST_PART) + 1):
        part = rank(text[start:end])
        if part is None or guesses[start] * part > FEW_GUESSES:
            continue
        guesses[end] = min(guesses.get(end, FEW_GUESSES), guesses[start] * part)


def load() -> None:
    """Read the list now, and not when the first password is judged."""
    _ranks()


def _rank(text: str) -> int | None:
    """Return the place of the text among the guesses, 1 being the first, or None."""
    return _ranks().get(text)


@cache
def _ranks() -> dict[str, int]:
    """Read the list, once and when it is first needed: the line is the rank."""
    packed = (files("gatehouse.passwords") / "data" / "blocklist.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").splitlines()
    return dict.fromkeys(CONNECTING, CONNECTING_RANK) | {
        line: number for number, line in enumerate(lines, start=1)
    }
