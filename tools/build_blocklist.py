"""Build gatehouse/passwords/data/blocklist.txt.gz: the passwords that attackers try first.

Needs the list inside the `zxcvbn` package, which the service itself does not; from the root:

    python3 -m venv /tmp/blocklist && /tmp/blocklist/bin/pip install zxcvbn==4.5.0
    PYTHONPATH=. /tmp/blocklist/bin/python tools/build_blocklist.py

The output is reproducible. data/README.md describes its contents and the reasons.
"""

import gzip
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from gatehouse.passwords.variants import strip_separators

ZXCVBN = "4.5.0"
ROOT = Path(__file__).parents[1]
PHRASES = ROOT / "tools" / "blocklist_phrases.txt"
WORDS = ROOT / "tools" / "blocklist_words.txt"
TARGET = ROOT / "gatehouse" / "passwords" / "data" / "blocklist.txt.gz"
MIN_PASSWORD_LENGTH = 15  # code points: the service's minimum
TOP_PASSWORDS = 1_000  # passwords ranked before names and everyday words
SURNAMES = 1_000
MIN_NAME_LENGTH = 4  # shorter names are prefixes of too many words
LENGTHENED_PASSWORDS = 2_000  # of the most common passwords
DIGITS = "1234567890" * 2


def common_passwords() -> list[str]:
    """Return the 30,000 most common passwords of the zxcvbn list, the commonest first."""
    return list(FREQUENCY_LISTS["passwords"])


def common_names() -> list[str]:
    """Return first names and the commonest surnames, as the US census counted them."""
    surnames = list(FREQUENCY_LISTS["surnames"])[:SURNAMES]
    counted = [*FREQUENCY_LISTS["male_names"], *FREQUENCY_LISTS["female_names"], *surnames]
    return [name for name in counted if len(name) >= MIN_NAME_LENGTH]


def read_lines(source: Path) -> list[str]:
    """Return the lines of a file that are neither empty nor a comment."""
    lines = source.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def lengthened(password: str) -> Iterator[str]:
    """Yield the usual ways to lengthen a password that is shorter than the minimum."""
    if len(password) < MIN_PASSWORD_LENGTH:
        yield next(
            password * times for times in count(2) if len(password) * times >= MIN_PASSWORD_LENGTH
        )
        yield password + DIGITS[: max(3, MIN_PASSWORD_LENGTH - len(password))]


def build_entries() -> list[str]:
    """Return the whole list without duplicates, most likely passwords first."""
    listed = common_passwords()
    words = [word for line in read_lines(WORDS) for word in line.split()]
    ranked = [*listed[:TOP_PASSWORDS], *words, *common_names(), *listed[TOP_PASSWORDS:]]
    phrases = [strip_separators(line) for line in read_lines(PHRASES)]
    longer = [long for password in ranked[:LENGTHENED_PASSWORDS] for long in lengthened(password)]
    return list(dict.fromkeys([*ranked, *phrases, *longer]))


def main() -> None:
    if version("zxcvbn") != ZXCVBN:
        raise SystemExit(f"the list is built from zxcvbn {ZXCVBN}, not {version('zxcvbn')}")
    listed = build_entries()
    text = "\n".join(listed) + "\n"
    TARGET.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))
    enough = sum(len(entry) >= MIN_PASSWORD_LENGTH for entry in listed)
    print(f"{len(listed)} entries, {enough} of {MIN_PASSWORD_LENGTH} code points and more")


if __name__ == "__main__":
    main()
