"""Settings of gateways, which ask for every request whether its token is valid."""

from dataclasses import dataclass

from gatehouse.settings.field import setting
from gatehouse.settings.parsers import split_list


def audience_list(value: str) -> tuple[str, ...]:
    """audiences of resources, separated by commas"""
    return tuple(split_list(value))


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """Gateways.

    They ask `/gateway/verify` about each request.
    """

    gateway_audiences: tuple[str, ...] = setting(audience_list)
    """Resources whose access tokens of applications `/gateway/verify` accepts, besides our own
    tokens; by default none."""
