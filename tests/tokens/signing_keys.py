"""The ring of signing keys, as the operator and as the public see it."""

from __future__ import annotations

from typing import Any

from flask import Flask

from gatehouse.tokens import keys
from tests.client import Client


def published(client: Client) -> dict[str, dict[str, Any]]:
    """Return the published keys by kid."""
    return {key["kid"]: key for key in client.get("/.well-known/jwks.json").json["keys"]}


def by_stage(app: Flask) -> dict[str, list[str]]:
    """Return the kids of each stage, oldest first."""
    kids: dict[str, list[str]] = {}
    with app.app_context():
        for row, stage in keys.stages():
            kids.setdefault(stage, []).append(row.kid)
    return kids
