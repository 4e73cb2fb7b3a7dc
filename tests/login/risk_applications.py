"""Applications with a GeoIP file, a list of bad networks and, for single tests, a risk policy.

Tests without a policy share an application; a policy is loaded into the application of its test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from gatehouse.risk import engine
from tests.conftest import environment
from tests.geoip import write_geoip_file

PLACES = {
    "192.0.2.0/24": {"country": {"iso_code": "FR"}},
    "198.51.100.0/24": {"country": {"iso_code": "AU"}},
}


def risk_environment(store: str, folder: Path) -> dict[str, str]:
    """Return settings with bad networks and a GeoIP file, created once in the folder of the run."""
    places = folder / "places.mmdb"
    if not places.exists():
        write_geoip_file(places, PLACES)
    settings = {
        "GATEHOUSE_BAD_NETWORKS": "203.0.113.0/24 # a botnet",
        "GATEHOUSE_GEOIP": str(places),
    }
    return environment(store) | settings


def with_policy(text: str) -> Any:
    """Run a test with this policy; its fixture `app` calls `apply_policy`."""
    return pytest.mark.parametrize("app", [text], indirect=True, ids=[text])


def apply_policy(app: Flask, request: pytest.FixtureRequest, folder: Path) -> Flask:
    """Set up risk assessment with the policy of a test, if it has one."""
    if text := getattr(request, "param", ""):
        path = folder / "policy.toml"
        path.write_text(text)
        settings = app.extensions["gatehouse.settings"]
        app.extensions["gatehouse.settings"] = replace(settings, risk_policy=str(path))
        with app.app_context():
            engine.set_up(app)
    return app
