"""Routes for health checks and metrics."""

from flask import Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.core import crypto, metrics, worker_processes
from gatehouse.core.errors import NotFound, ServiceUnavailable
from gatehouse.database.schema_version import is_usable, read_revision
from gatehouse.database.session import autocommit_connection, db
from gatehouse.operations import load_shedding
from gatehouse.operations.write_check import are_writes_accepted
from gatehouse.sessions.request_credentials import bearer_token
from gatehouse.tokens import sync
from gatehouse.tokens.errors import TokenInvalid, TokenMissing
from gatehouse.tokens.worker_state import state
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import open_or_with_metrics_token
from gatehouse.web.request_validation import non_blocking
from schemas import Readiness, Status

operations = Blueprint("operations", __name__, description="Health and metrics, for operators")


class NotReady(ServiceUnavailable):
    """The service cannot handle requests at the moment; `missing` lists what it lacks."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__()
        self.missing = missing

    @property
    def members(self) -> dict[str, object]:
        """Members of the problem document; `missing` has what the checks are called."""
        return super().members | {"missing": self.missing}


@operations.get("/health/live")
@non_blocking
@operations.response(200, Status)
def check_liveness() -> Response:
    """Return 200 while the process runs; needs no database."""
    return jsonify(status="alive")


@operations.get("/health/ready")
@operations.response(200, Readiness)
def check_readiness() -> Response:
    """Return 200 when requests can be served, or 503 with what is missing.

    `missing` has `database`, or some of `migrations`, `keys` and `writes` (it is read-only, or its
    disk is full).
    `degraded` has `workers` while a worker keeps ending (the others serve), and `clock` while this
    machine's clock differs from the database's by more than 30 seconds (the database's decides).
    """
    if load_shedding.is_open() or not _database_responds():
        raise NotReady(["database"])
    checks = {"migrations": _is_migrated(), "keys": _has_signing_keys()}
    checks["writes"] = are_writes_accepted()
    if not all(checks.values()):
        raise NotReady([name for name, passed in checks.items() if not passed])
    flaws = {"workers": worker_processes.failing_workers() > 0, "clock": state().clock.is_wrong}
    degraded = [name for name, applies in flaws.items() if applies]
    return jsonify(status="ready", **({"degraded": degraded} if degraded else {}))


@operations.get("/metrics")
@operations.response(200, content_type="text/plain")
@operations.errors(TokenMissing, TokenInvalid, NotFound)
@open_or_with_metrics_token
def read_metrics() -> Response:
    """Return the metrics of all workers to a client with the token; open in development."""
    settings = config.settings()
    if settings.metrics_token:
        if not crypto.constant_time_equal(bearer_token(), settings.metrics_token):
            raise TokenInvalid
    elif not settings.development:
        raise NotFound
    return metrics.render_exposition()


def _database_responds() -> bool:
    """Query through both engines; an engine with broken connections replaces them now."""
    query = text("SELECT 1")
    try:
        with autocommit_connection() as connection:
            responds = bool(connection.scalar(query))
        return responds and bool(db.session.scalar(query))
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _is_migrated() -> bool:
    """Return whether the database has the tables that this version needs."""
    try:
        return is_usable(read_revision(db.session.connection()))
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _has_signing_keys() -> bool:
    """Return whether tokens can be signed, verified and revoked."""
    try:
        return bool(sync.current_state().require_keys().active)
    except (ServiceUnavailable, SQLAlchemyError):
        db.session.rollback()
        return False
