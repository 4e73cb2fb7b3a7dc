"""Health and metrics."""

from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.core import crypto, metrics
from gatehouse.core.errors import NotFound, ServiceUnavailable
from gatehouse.database.session import db, reader
from gatehouse.operations import load_shedding
from gatehouse.sessions.request_credentials import bearer
from gatehouse.tokens import sync
from gatehouse.tokens.errors import TokenInvalid, TokenMissing
from gatehouse.web.openapi import Blueprint
from gatehouse.web.request_validation import at_once
from schemas import Status

operation = Blueprint("operation", __name__, description="For operators and their machines")


class NotReady(ServiceUnavailable):
    """Requests cannot be served yet, or not any more; `missing` names what they need."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__()
        self.missing = missing

    @property
    def members(self) -> dict[str, Any]:
        """What is missing: `database`, `migrations` or `keys`."""
        return super().members | {"missing": self.missing}


@operation.get("/health/live")
@at_once
@operation.response(200, Status)
def live() -> Response:
    """Answer that the process runs; it asks nobody."""
    return jsonify(status="alive")


@operation.get("/health/ready")
@operation.response(200, Status)
def ready() -> Response:
    """Answer that requests can be served, or 503 with what is missing."""
    if load_shedding.lasts() or not _database():
        raise NotReady(["database"])
    checks = {"migrations": _migrations(), "keys": _keys()}
    if not all(checks.values()):
        raise NotReady([name for name, well in checks.items() if not well])
    return jsonify(status="ready")


@operation.get("/metrics")
@operation.response(200, content_type="text/plain")
@operation.refuses(TokenMissing, TokenInvalid, NotFound)
def show_metrics() -> Response:
    """Answer the metrics of all workers to whoever has the token; open in development."""
    settings = config.settings()
    if settings.metrics_token:
        if not crypto.equal(bearer(), settings.metrics_token):
            raise TokenInvalid
    elif not settings.development:
        raise NotFound
    return metrics.exposition()


def _database() -> bool:
    """Ask by either engine: one that finds its connections broken makes new ones from then on."""
    question = text("SELECT 1")
    try:
        with reader() as connection:
            return bool(connection.scalar(question)) and bool(db.session.scalar(question))
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _migrations() -> bool:
    """Tell whether the database has the tables that this version needs."""
    script = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())
    try:
        context = MigrationContext.configure(db.session.connection())
        return bool(context.get_current_revision() == script.get_current_head())
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _keys() -> bool:
    """Tell whether tokens can be signed, verified and revoked."""
    try:
        return bool(sync.up_to_date().keys().active)
    except (ServiceUnavailable, SQLAlchemyError):
        db.session.rollback()
        return False
