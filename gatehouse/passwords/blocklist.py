"""The blocklist: the passwords that attackers try first, and their usual variants.

The list is data, built by `tools/build_blocklist.py`; `data/README.md` names its sources.
"""

import gzip
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from gatehouse.passwords import variants

MAX_GUESSES = 1_000_000  # also where zxcvbn's score 2 begins
MAX_PART_LENGTH = 20  # code points
COMMON_WORD_RANK = 30
COMMON_WORDS = (
    *("a", "i", "u", "2", "4", "am", "an", "and", "are", "at", "be", "for", "from", "go", "her"),
    *("his", "in", "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "the"),
    *("this", "that", "to", "us", "we", "with", "you", "your", "all", "best", "big", "ever"),
    *("like", "love", "loves", "new", "old", "one", "only", "so", "super", "very", "who", "yes"),
)

Ranking = Callable[[str], int | None]


def is_blocklisted(password: str) -> bool:
    """Return whether the password is listed, or is a listed one made longer in a usual way."""
    return any(
        is_made_of_ranked_parts(variant, _rank) or variants.is_pattern(variant)
        for variant in variants.variants(password)
    )


def is_made_of_ranked_parts(text: str, rank: Ranking) -> bool:
    """Return whether the text is ranked, or a sequence of ranked parts that takes few guesses.

    The number of guesses for a sequence is the product of the ranks of its parts; the limit is
    MAX_GUESSES.
    """
    if rank(text) is not None:
        return True
    guesses = {0: 1}  # by end position: the fewest guesses of any sequence that ends there
    for start in range(len(text)):
        if start in guesses:
            _extend(guesses, text, start, rank)
    return bool(text) and len(text) in guesses


def _extend(guesses: dict[int, int], text: str, start: int, rank: Ranking) -> None:
    for end in range(start + 1, min(len(text), start + MAX_PART_LENGTH) + 1):
        part = rank(text[start:end])
        if part is None or guesses[start] * part > MAX_GUESSES:
            continue
        guesses[end] = min(guesses.get(end, MAX_GUESSES), guesses[start] * part)


def load_blocklist() -> None:
    """Load the list now instead of at the first password check."""
    _ranks()


def _rank(text: str) -> int | None:
    """Return the rank of the text in the list (1 is tried first), or None if it is not listed."""
    return _ranks().get(text)


@cache
def _ranks() -> dict[str, int]:
    """Load the list at first use; the line number is the rank."""
    packed = (files("gatehouse.passwords") / "data" / "blocklist.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").splitlines()
    return dict.fromkeys(COMMON_WORDS, COMMON_WORD_RANK) | {
        line: number for number, line in enumerate(lines, start=1)
    }
