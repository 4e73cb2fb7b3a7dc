"""The kinds of factors that exist here, in the order in which they are offered."""

from collections.abc import Sequence
from functools import cache

import config
from gatehouse.core import plugins
from gatehouse.mfa.errors import FactorNotOffered
from gatehouse.mfa.factor import Factor

PACKAGE = "gatehouse.mfa.factors"
RECOVERY = "recovery_codes"
"""Comes with the first other factor, and is none by itself."""


def check() -> None:
    """Refuse settings that name no piece, or that nobody could sign in with.

    Raises:
        ConfigurationError: with a sentence.
    """
    try:
        kinds()
    except LookupError as problem:
        raise config.ConfigurationError(f"GATEHOUSE_FACTORS: {problem.args[0]}.") from None
    if config.settings().mfa != "optional" and not strong():
        raise config.ConfigurationError(
            "GATEHOUSE_MFA wants a second factor, and no kind in GATEHOUSE_FACTORS is one that "
            "counts as such, like totp or passkey."
        )


@cache
def _load(names: tuple[str, ...]) -> dict[str, Factor]:
    return plugins.load(PACKAGE, names)


def kinds() -> dict[str, Factor]:
    """Return the pieces that are switched on, by name."""
    return _load(config.settings().factors)


def piece(kind: str) -> Factor:
    """Return a piece.

    Raises:
        FactorNotOffered: it is switched off, or there is none of this name.
    """
    try:
        return kinds()[kind]
    except KeyError:
        raise FactorNotOffered from None


def strong() -> list[str]:
    """Return the names of the kinds that raise a session to AAL2 and can be set up."""
    return [name for name in counting() if kinds()[name].strong]


def counting() -> list[str]:
    """Return the names of the kinds whose factors make logins ask for one."""
    return [name for name in kinds() if name != RECOVERY]


def counts(kind: str) -> bool:
    """Tell whether having a factor of this kind makes logins ask for one."""
    return kind in counting()


def adds(kind: str, amr: Sequence[str]) -> bool:
    """Tell whether a kind that is switched on proves something that was not proved already."""
    return kind in kinds() and set(kinds()[kind].amr).isdisjoint(amr)


def is_strong(kind: str) -> bool:
    """Tell whether a factor of this kind raises a session to AAL2."""
    return kind in strong()
