"""Reading an environment, and being refused."""

from __future__ import annotations

import pytest

from config import ConfigurationError, Settings
from tests.conftest import key

PRODUCTION = {
    "GATEHOUSE_PUBLIC_URL": "https://id.example.com",
    "GATEHOUSE_SECRET_KEYS": key(0),
    "GATEHOUSE_ENCRYPTION_KEYS": key(1),
    "GATEHOUSE_PASSWORD_PEPPERS": key(2),
}


def read(**changes: str | None) -> Settings:
    """Read production's settings with some changes; None removes one."""
    wanted = {**PRODUCTION, **changes}
    return Settings.from_environment({k: v for k, v in wanted.items() if v is not None})


def complaints(**changes: str | None) -> list[str]:
    """Return the sentences with which a start is refused."""
    with pytest.raises(ConfigurationError) as refused:
        read(**changes)
    return str(refused.value).split("\n")
