"""Sync the token state of a worker at the moment that a test chooses."""

from __future__ import annotations

from flask import Flask

from gatehouse.tokens import sync


def refresh_state(app: Flask) -> None:
    """Do what the sync thread does every 0.4 s."""
    with app.app_context():
        sync.refresh()
