"""Short names for user agents, such as "Firefox on Linux"."""

import re
from functools import lru_cache

import ua_parser

VERSION_NUMBERS = re.compile(r"[\d._]+")


def load_parser() -> None:
    """Load the parser at start-up: it takes 0.2 s, which the first request would wait for."""
    _ = ua_parser.parser


@lru_cache(1024)
def device_name(user_agent: str) -> str:
    """Return program and operating system as the client states them, such as "Firefox on Linux".

    Only names that the library knows: text of an attacker must not reach a mail.
    """
    parsed = ua_parser.parse(user_agent[:400])
    program = parsed.user_agent.family if parsed.user_agent else ""
    system = parsed.os.family if parsed.os else ""
    return " on ".join(part for part in (program, system) if part) or "an unknown device"


def is_same_program(first: str, second: str) -> bool:
    """Return whether two user agents differ only in version numbers, as after an update."""
    return first == second or VERSION_NUMBERS.sub("", first) == VERSION_NUMBERS.sub("", second)
