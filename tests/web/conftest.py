"""Fixtures of the tests of HTTP."""

from __future__ import annotations

import pytest

from gatehouse.web.rate_limit_storage import FallbackCounters


@pytest.fixture
def limited_app(request, application_pool, settings_environment, with_redis):
    """Yield an application that counts in the database or in Valkey."""
    environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on"}
    if with_redis:
        environ["REDIS_URL"] = request.getfixturevalue("valkey")
    with application_pool.acquire(environ) as app:
        yield app


@pytest.fixture
def fallback_counters(app, valkey):
    """Yield counters in Valkey with the application's database as fallback."""
    with app.app_context():
        yield FallbackCounters(f"fallback+{valkey}")
