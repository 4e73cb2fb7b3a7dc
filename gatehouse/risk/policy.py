"""Risk policy: a TOML file with the decision for each signal."""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import IntEnum
from importlib.resources import files


class Decision(IntEnum):
    """Decision about a login or session, in order of strictness."""

    ALLOW = 0
    NOTIFY = 1
    CAPTCHA = 2
    ASK_SECOND_FACTOR = 3
    REFUSE = 4

    @property
    def policy_name(self) -> str:
        """The name in the policy file and in audit events."""
        return self.name.lower()


Policy = Mapping[str, Decision]
"""The decision by signal; ALLOW for those that are missing."""
DECISIONS_BY_NAME = {decision.policy_name: decision for decision in Decision}


def read_default_policy() -> str:
    """Return the text of the policy that applies unless the operator sets one."""
    return (files("gatehouse.risk") / "data" / "risk.toml").read_text()


def parse_policy(text: str, signals: list[str]) -> Policy:
    """Parse a policy.

    Raises:
        ValueError: it is invalid; the message continues a sentence that starts with its name.
    """
    try:
        lines = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"is not TOML: {problem}.") from None
    for name in lines:
        if name not in signals:
            raise ValueError(f"names {name!r}, which is no signal: {_suggest(name, signals)}")
    return {name: _decision(name, value) for name, value in lines.items()}


def _decision(name: str, value: object) -> Decision:
    if not isinstance(value, str) or value not in DECISIONS_BY_NAME:
        nearest = _suggest(str(value), list(DECISIONS_BY_NAME))
        raise ValueError(f"says {name} = {value!r}, which is no decision: {nearest}")
    return DECISIONS_BY_NAME[value]


def _suggest(name: str, known: list[str]) -> str:
    found = get_close_matches(name, known, 1)
    return f"did you mean {found[0]}?" if found else f"there are {', '.join(known)}."


def strictest_decision(policy: Policy, findings: Iterable[str]) -> Decision:
    """Return the strictest decision that the policy has for any of these signals."""
    return max((policy.get(name, Decision.ALLOW) for name in findings), default=Decision.ALLOW)
