"""Uses of API keys and client secrets, collected in memory and written every ten seconds.

No request writes them.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import cast
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import bindparam, update

from gatehouse.audit.administration_events import ServiceAccounts
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.background_tasks import log_exceptions, on_shutdown, run_periodically
from gatehouse.database.session import UTCDateTime, db, write_transaction
from gatehouse.service_accounts.errors import ApiKeyRejected
from gatehouse.service_accounts.key_memory import KnownKey
from gatehouse.web.request_context import RequestContext
from models import ApiKey, OAuthClientSecret

EXTENSION = "gatehouse.api_key_usage"
INTERVAL = 10  # seconds
MAX_REJECTIONS = 100
"""Kinds of rejections that are kept apart between two writes, so that clients cannot fill the log.

Those beyond are not recorded.
"""
SET_LAST_USE = {
    model.__tablename__: update(model)
    .where(model.id == bindparam("used_id"))
    .values(last_used_at=bindparam("used_at", type_=UTCDateTime()))
    for model in (ApiKey, OAuthClientSecret)
}
"""For each table with credentials that programs use."""


@dataclass
class Rejections:
    """Rejected uses of one kind: how many, and the context of the first one."""

    code: str
    key: KnownKey | None
    context: RequestContext
    count: int = 0


@dataclass
class KeyUsage:
    """What has not been written yet."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    used: dict[tuple[str, UUID], datetime] = field(default_factory=dict)
    """By table and id."""
    rejected: dict[tuple[str, UUID | None, str], Rejections] = field(default_factory=dict)
    """By code, key and IP prefix."""

    def take(self) -> tuple[dict[tuple[str, UUID], datetime], list[Rejections]]:
        """Return what was collected, and begin again."""
        with self.lock:
            taken = self.used, list(self.rejected.values())
            self.used, self.rejected = {}, {}
            return taken


def set_up(app: Flask) -> None:
    """Set up the memory of an application."""
    app.extensions[EXTENSION] = KeyUsage()


def start_writing(app: Flask) -> None:
    """Write the uses in a background thread, and the last ones when the server stops."""
    run_periodically(INTERVAL, app, "api key usage", write_usage)
    on_shutdown(app, partial(_write_last, app))


def record_use(key: KnownKey) -> None:
    """Remember that a key was used now, until the next write."""
    _record_use(ApiKey.__tablename__, key.id)


def record_use_of_client_secret(secret_id: UUID) -> None:
    """Remember that a secret of a client was used now, until the next write."""
    _record_use(OAuthClientSecret.__tablename__, secret_id)


def record_rejection(error: ApiKeyRejected, key: KnownKey | None, context: RequestContext) -> None:
    """Remember that a key was rejected; of one that does not exist, nothing is kept."""
    usage = _usage()
    kind = (error.code, key.id if key else None, context.ip_prefix)
    with usage.lock:
        if kind in usage.rejected or len(usage.rejected) < MAX_REJECTIONS:
            usage.rejected.setdefault(kind, Rejections(error.code, key, context)).count += 1


def write_usage() -> None:
    """Write the last use of each key, and an audit event for each kind of rejection."""
    used, rejected = _usage().take()
    if not used and not rejected:
        return
    with write_transaction():
        for table, used_id in sorted(used):  # one order of locks for all workers
            values = {"used_id": used_id, "used_at": used[table, used_id]}
            db.session.execute(
                SET_LAST_USE[table], values, execution_options={"synchronize_session": False}
            )
        for one in rejected:
            _record(one)
    db.session.commit()


def _record_use(table: str, used_id: UUID) -> None:
    usage = _usage()
    with usage.lock:
        usage.used[table, used_id] = clock.now()


def _record(one: Rejections) -> None:
    record(
        ServiceAccounts.KEY_REJECTED,
        one.context,
        code=one.code,
        count=one.count,
        api_key_id=str(one.key.id) if one.key else None,
        service_account_id=one.key.sub if one.key else None,
    )


def _write_last(app: Flask) -> None:
    with app.app_context():
        log_exceptions("api key usage", write_usage)


def _usage() -> KeyUsage:
    return cast(KeyUsage, current_app.extensions[EXTENSION])
