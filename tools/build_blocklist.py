"""Build gatehouse/passwords/data/blocklist.txt.gz: the passwords that guessers try first.

Needs the list inside the `zxcvbn` package, which the service itself does not; from the root:

    python3 -m venv /tmp/blocklist && /tmp/blocklist/bin/pip install zxcvbn==4.5.0
    PYTHONPATH=. /tmp/blocklist/bin/python tools/build_blocklist.py

The same input gives the same text, byte for byte. data/README.md tells what is in it and why.
"""

import gzip
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from gatehouse.passwords.variants import squeezed

ZXCVBN = "4.5.0"
ROOT = Path(__file__).parents[1]
PHRASES = ROOT / "tools" / "blocklist_phrases.txt"
WORDS = ROOT / "tools" / "blocklist_words.txt"
TARGET = ROOT / "gatehouse" / "passwords" / "data" / "blocklist.txt.gz"
LONG = 15  # code points: the service's minimum
COMMONEST = 1_000  # passwords that come before names and everyday words
SURNAMES = 1_000
SHORTEST_NAME = 4  # shorter ones begin too many ordinary words
STRETCHED = 2_000  # of the most common passwords
DIGITS = "1234567890" * 2


def common() -> list[str]:
    """Return the 30,000 most common passwords of the zxcvbn list, the commonest first."""
    return list(FREQUENCY_LISTS["passwords"])


def names() -> list[str]:
    """Return first names and the commonest surnames, as the US census counted them."""
    surnames = list(FREQUENCY_LISTS["surnames"])[:SURNAMES]
    counted = [*FREQUENCY_LISTS["male_names"], *FREQUENCY_LISTS["female_names"], *surnames]
    return [name for name in counted if len(name) >= SHORTEST_NAME]


def collected(source: Path) -> list[str]:
    """Return the lines of a file of our own that are neither empty nor a comment."""
    lines = source.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def stretched(password: str) -> Iterator[str]:
    """Yield what a person makes of a short password where a long one is asked for."""
    if len(password) < LONG:
        yield next(password * times for times in count(2) if len(password) * times >= LONG)
        yield password + DIGITS[: max(3, LONG - len(password))]


def entries() -> list[str]:
    """Return the whole list without duplicates, the first guess first."""
    listed = common()
    words = [word for line in collected(WORDS) for word in line.split()]
    ranked = [*listed[:COMMONEST], *words, *names(), *listed[COMMONEST:]]
    phrases = [squeezed(line) for line in collected(PHRASES)]
    longer = [long for password in ranked[:STRETCHED] for long in stretched(password)]
    return list(dict.fromkeys([*ranked, *phrases, *longer]))


def main() -> None:
    if version("zxcvbn") != ZXCVBN:
        raise SystemExit(f"the list is built from zxcvbn {ZXCVBN}, not {version('zxcvbn')}")
    listed = entries()
    text = "\n".join(listed) + "\n"
    TARGET.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))
    enough = sum(len(entry) >= LONG for entry in listed)
    print(f"{len(listed)} entries, {enough} of {LONG} code points and more")


if __name__ == "__main__":
    main()
