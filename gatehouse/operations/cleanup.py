"""Delete expired rows and run due jobs, every ten minutes, in a thread of each worker."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from flask import Flask

import config
from gatehouse.account import invitation_reminders
from gatehouse.audit import retention
from gatehouse.captcha import service as captcha
from gatehouse.core import clock
from gatehouse.database.background_tasks import log_exceptions, run_periodically
from gatehouse.database.session import db, write_transaction
from gatehouse.devices import service as devices
from gatehouse.hooks import delivery_queue
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.messaging import outbox, outbox_queue, sms_budget
from gatehouse.mfa import reset
from gatehouse.oauth import (
    client_assertions,
    client_definitions,
    client_secrets,
    grant_cleanup,
    logout_queue,
    secret_expiry_notices,
)
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.service_accounts import expiry_notices
from gatehouse.service_accounts import keys as api_keys
from gatehouse.sessions import service as sessions
from gatehouse.tokens import authorization_changes, revocation
from gatehouse.tokens.worker_state import state
from gatehouse.users import administration
from gatehouse.web import idempotency, rate_limits

INTERVAL = timedelta(minutes=10)
MAX_BATCHES = 200
"""Transactions of one task in one run; the next run continues."""
Task = Callable[[], object]


def run_cleanup() -> None:
    """Execute due MFA resets, enable and erase users, then delete expired rows of every kind.

    Each task has its own transactions and logs its own exceptions, so that one failure does not
    stop the others. For an hour after a step of the database's clock nothing is done: the step may
    return, but what was deleted does not.
    """
    if state().clock.has_stepped_within(revocation.STEP_MAY_RETURN):
        return
    log_exceptions("mfa_resets", reset.execute_due)
    log_exceptions("users_to_erase", administration.erase_due)
    for name, task in _list_tasks().items():
        log_exceptions(name, partial(_in_own_transactions, task))


def _list_tasks() -> dict[str, Task]:
    now, settings = clock.now(), config.settings()
    tasks: dict[str, Task] = {
        "users_to_enable": administration.enable_due,
        "invitation_reminders": invitation_reminders.remind_due,
        "one_time_codes": one_time_codes.purge_expired,
        "revocations": revocation.purge_expired,
        "api_key_expiry": expiry_notices.announce_due,
        "api_keys": api_keys.purge_ended_keys,
        "client_secret_expiry": secret_expiry_notices.announce_due,
        "client_secrets": client_secrets.purge_ended_secrets,
        "client_assertions": client_assertions.purge_used_assertions,
        "grants_of_disabled_clients": client_definitions.end_grants_of_disabled_clients,
        "authorization_changes": authorization_changes.purge_expired,
        "rate_limits": rate_limits.purge_expired_counters,
        "sms_prefixes": sms_budget.purge_prefixes,
        "devices": devices.purge_expired_devices,
        "failed_attempts": lockout.purge_stale_counters,
        "credential_stuffing": credential_stuffing.purge_expired_counters,
        "idempotency_keys": idempotency.purge_expired_keys,
        "overdue_messages": outbox_queue.abandon_overdue,
        "used_captcha_answers": captcha.purge_used_answers,
        "outbox": partial(outbox.purge_messages, now - settings.message_retention),
        "webhook_events": delivery_queue.purge_events,
        "logout_notifications": logout_queue.purge_notifications,
        "unredeemed_grants": grant_cleanup.purge_unredeemed,
        "grants": partial(grant_cleanup.purge_ended, now - settings.ended_session_retention),
        "sessions": partial(
            sessions.purge_expired_sessions, now - settings.ended_session_retention
        ),
    }
    if settings.audit_retention:
        tasks["audit_events"] = partial(retention.purge_events, now - settings.audit_retention)
    return tasks


def _in_own_transactions(task: Task) -> None:
    """Run a task, and again as long as it returns True, because it has left something."""
    for _ in range(MAX_BATCHES):
        with write_transaction():
            has_more = task()
        db.session.commit()
        if has_more is not True:
            return


def start_cleanup(app: Flask) -> None:
    """Run the cleanup in a background thread."""
    run_periodically(INTERVAL.total_seconds(), app, "cleanup", run_cleanup)
