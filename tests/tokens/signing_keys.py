"""Signing keys, as the operator and as clients see them."""

from __future__ import annotations

from typing import Any

from flask import Flask

from gatehouse.tokens import keys
from tests.client import Client


def fetch_published_keys(client: Client) -> dict[str, dict[str, Any]]:
    """Return the published keys by kid."""
    return {key["kid"]: key for key in client.get("/.well-known/jwks.json").json["keys"]}


def kids_by_stage(app: Flask) -> dict[str, list[str]]:
    """Return the kids of each stage, oldest first."""
    kids: dict[str, list[str]] = {}
    with app.app_context():
        for row, stage in keys.list_keys():
            kids.setdefault(stage, []).append(row.kid)
    return kids
