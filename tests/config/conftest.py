"""Helpers that read settings, and the mistakes that a start reports."""

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


def read_settings(**changes: str | None) -> Settings:
    """Read settings for production with some changes; None removes a setting."""
    environ = {**PRODUCTION, **changes}
    return Settings.from_environment({k: v for k, v in environ.items() if v is not None})


def read_problems(**changes: str | None) -> list[str]:
    """Return the sentences of the ConfigurationError that stops the start."""
    with pytest.raises(ConfigurationError) as error:
        read_settings(**changes)
    return str(error.value).split("\n")
