"""A few words for a user agent, such as "Firefox on Linux"."""

import re
from functools import lru_cache

import ua_parser

NUMBERS = re.compile(r"[\d._]+")


def load() -> None:
    """Make the parser, which else the first call does: 0.2 s of a processor's time."""
    _ = ua_parser.parser


@lru_cache(1024)
def device_name(user_agent: str) -> str:
    """Return the program and the system, as far as they are told; a hint, never a proof.

    Only names that the library knows: what a stranger wrote must not stand in a mail.
    """
    found = ua_parser.parse(user_agent[:400])
    program = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    return " on ".join(part for part in (program, system) if part) or "an unknown device"


def is_same_program(one: str, other: str) -> bool:
    """Tell whether two user agents differ in nothing but versions, as after an update."""
    return one == other or NUMBERS.sub("", one) == NUMBERS.sub("", other)
