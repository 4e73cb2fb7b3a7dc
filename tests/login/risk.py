"""Applications that weigh logins: with a GeoIP file, networks that are known as bad, and a policy.

Those without a policy are alike, so that tests share them; a policy is read into the one it is for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from gatehouse.risk import engine
from tests.conftest import environment
from tests.geoip import write

PLACES = {
    "192.0.2.0/24": {"country": {"iso_code": "FR"}},
    "198.51.100.0/24": {"country": {"iso_code": "AU"}},
}


def informed(store: str, folder: Path) -> dict[str, str]:
    """Return settings with a GeoIP file, which is in the folder of the test run."""
    places = folder / "places.mmdb"
    if not places.exists():
        write(places, PLACES)
    known = {"GATEHOUSE_BAD_NETWORKS": "203.0.113.0/24 # a botnet", "GATEHOUSE_GEOIP": str(places)}
    return environment(store) | known


def policy(text: str) -> Any:
    """Run a test whose fixture `app` is `ruled` with this policy."""
    return pytest.mark.parametrize("app", [text], indirect=True, ids=[text])


def ruled(app: Flask, request: pytest.FixtureRequest, folder: Path) -> Flask:
    """Let an application start anew with the policy of a test, if it has one."""
    if text := getattr(request, "param", ""):
        path = folder / "policy.toml"
        path.write_text(text)
        settings = app.extensions["gatehouse.settings"]
        app.extensions["gatehouse.settings"] = replace(settings, risk_policy=str(path))
        with app.app_context():
            engine.set_up(app)
    return app
