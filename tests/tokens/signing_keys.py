"""Signing keys, as the operator and as clients see them."""

from __future__ import annotations

from typing import Any

from flask import Flask

from gatehouse.tokens import keys
from tests.client import Client


def fetch_published_keys(client: Client) -> dict[str, dict[str, Any]]:
    """Return the published keys by kid."""
    return {key["kid"]: key for key in client.get("/.well-known/jwks.json").json["keys"]}


def kids_by_stage(app: Flask, *algorithms: str) -> dict[str, list[str]]:
    """Return the kids of each stage, oldest first: of our own tokens, or of these algorithms.

    A key that a change of the algorithm has retired was one of our own tokens.
    """
    kids: dict[str, list[str]] = {}
    with app.app_context():
        chosen = algorithms or {*keys.JWK_CLASSES} - {*keys.list_algorithms()[1:]}
        for row, stage in keys.list_keys():
            if row.algorithm in chosen:
                kids.setdefault(stage, []).append(row.kid)
    return kids
