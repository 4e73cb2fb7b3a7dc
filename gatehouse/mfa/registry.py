"""Registry of factor plugins: the enabled kinds, in the order in which they are offered."""

from collections.abc import Sequence
from functools import cache

import config
from gatehouse.core import plugins
from gatehouse.mfa.errors import FactorUnavailable
from gatehouse.mfa.factor import Factor

PACKAGE = "gatehouse.mfa.factors"
RECOVERY_CODES = "recovery_codes"
"""Issued with the first other factor; does not count as a second factor by itself."""
EMAIL = "email"
"""Offered to users who have enrolled no factor, without enrolling it; it gives no AAL2."""


def validate_settings() -> None:
    """Check that the enabled factors exist and can satisfy `GATEHOUSE_MFA`.

    Raises:
        ConfigurationError: they do not; the message is a sentence.
    """
    try:
        enabled_factors()
    except LookupError as error:
        raise config.ConfigurationError(f"GATEHOUSE_FACTORS: {error.args[0]}.") from None
    if config.settings().mfa != "optional" and not strong_kinds():
        raise config.ConfigurationError(
            "GATEHOUSE_MFA requires a second factor, but GATEHOUSE_FACTORS enables none that "
            "satisfies it, such as totp or passkey."
        )


@cache
def _load(names: tuple[str, ...]) -> dict[str, Factor]:
    return plugins.load(PACKAGE, names)


def enabled_factors() -> dict[str, Factor]:
    """Return the enabled factor plugins, by kind."""
    return _load(config.settings().factors)


def get_factor(kind: str) -> Factor:
    """Return the plugin of a kind.

    Raises:
        FactorUnavailable: the kind is unknown or not enabled.
    """
    try:
        return enabled_factors()[kind]
    except KeyError:
        raise FactorUnavailable from None


def strong_kinds() -> list[str]:
    """Return the enabled kinds that can be enrolled and step a session up to AAL2."""
    return [name for name in second_factor_kinds() if enabled_factors()[name].strong]


def second_factor_kinds() -> list[str]:
    """Return the enabled kinds that, once enrolled, make logins require a second factor."""
    return [name for name in enabled_factors() if name != RECOVERY_CODES]


def is_second_factor(kind: str) -> bool:
    """Return whether a factor of this kind makes logins require a second factor."""
    return kind in second_factor_kinds()


def is_independent(kind: str, amr: Sequence[str]) -> bool:
    """Return whether a kind is enabled and none of its methods is in `amr` already."""
    return kind in enabled_factors() and set(enabled_factors()[kind].amr).isdisjoint(amr)


def is_strong(kind: str) -> bool:
    """Return whether a factor of this kind steps a session up to AAL2."""
    return kind in strong_kinds()
