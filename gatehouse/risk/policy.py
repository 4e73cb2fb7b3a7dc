"""The policy of adaptive login: a short TOML file says what each finding leads to."""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import IntEnum
from importlib.resources import files
from typing import Any


class Decision(IntEnum):
    """What becomes of a login, the mildest first."""

    ALLOW = 0
    NOTIFY = 1
    CAPTCHA = 2
    ASK_SECOND_FACTOR = 3
    REFUSE = 4

    @property
    def word(self) -> str:
        """Its name in the policy and in the audit log."""
        return self.name.lower()


Policy = Mapping[str, Decision]
"""The decision for each signal; one that is missing is allowed."""
WORDS = {decision.word: decision for decision in Decision}


def shipped() -> str:
    """Return the text of the policy that is in force where the operator gives none."""
    return (files("gatehouse.risk") / "data" / "risk.toml").read_text()


def parse(text: str, signals: list[str]) -> Policy:
    """Read a policy.

    Raises:
        ValueError: it is none; with a sentence that goes on from the name of the file.
    """
    try:
        lines = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"is not TOML: {problem}.") from None
    for name in lines:
        if name not in signals:
            raise ValueError(f"names {name!r}, which is no signal: {_nearest(name, signals)}")
    return {name: _decision(name, value) for name, value in lines.items()}


def _decision(name: str, value: Any) -> Decision:
    if not isinstance(value, str) or value not in WORDS:
        nearest = _nearest(str(value), list(WORDS))
        raise ValueError(f"says {name} = {value!r}, which is no decision: {nearest}")
    return WORDS[value]


def _nearest(name: str, known: list[str]) -> str:
    found = get_close_matches(name, known, 1)
    return f"did you mean {found[0]}?" if found else f"there are {', '.join(known)}."


def strictest(policy: Policy, findings: Iterable[str]) -> Decision:
    """Return what findings lead to: the strictest decision wins."""
    return max((policy.get(name, Decision.ALLOW) for name in findings), default=Decision.ALLOW)
