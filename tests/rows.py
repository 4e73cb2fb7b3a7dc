"""Read the database of a test's application."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import inspect, select

from gatehouse.database.session import db
from models import AuditEvent


def rows(app: Flask, table: type[Any], **where: Any) -> list[Any]:
    """Return the rows of a table whose columns have these values, oldest first."""
    with app.app_context():
        oldest_first = inspect(table).primary_key
        return list(db.session.scalars(select(table).filter_by(**where).order_by(*oldest_first)))


def audited(app: Flask, *names: str) -> list[AuditEvent]:
    """Return the audit events of these names, oldest first."""
    found = [event for event in rows(app, AuditEvent) if event.name in names]
    return sorted(found, key=lambda event: event.at)  # ids are ordered only to the millisecond
