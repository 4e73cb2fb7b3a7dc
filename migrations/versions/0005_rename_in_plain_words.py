"""Rename tables, columns and stored event names to the field's terms. Needs all replicas stopped.

Old and new versions cannot run side by side over this one. Rows read through SQLAlchemy Core carry
column names and ORM rows carry attribute names, so columns follow the Python names (decision 32).
Strings that reach `crypto` keep their spelling and are not touched here.
"""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = {
    "challenges": "one_time_codes",
    "guard_tallies": "credential_stuffing_counters",
    "guess_counters": "failed_attempts",
    "spent": "used_captcha_answers",
    "status_entries": "token_status_entries",
}
COLUMNS = {
    "audit_events": {"address": "ip_address"},
    "credential_stuffing_counters": {"seen": "bitmap"},
    "failed_attempts": {"waits_until": "blocked_until", "counted_at": "last_attempt_at"},
    "idempotency_keys": {"answer": "response"},
    "one_time_codes": {"lookup": "subject_digest"},
    "outbox": {
        "due_at": "next_attempt_at",
        "good_until": "expires_at",
        "given_up_at": "abandoned_at",
    },
    "passwords": {"chosen_by": "set_via"},
    "revocations": {"position": "status_index", "forget_at": "expires_at"},
    "roles": {"mfa_wanted_at": "mfa_required_since"},
    "sessions": {"raised_at": "aal2_authenticated_at", "address": "ip_address"},
    "sms_prefixes": {"proved": "converted"},
    "token_status_entries": {"position": "status_index"},
    "users": {"mfa_renewed_at": "mfa_grace_extended_at"},
}
"""Old to new column, by the new name of the table."""

INDEXES = {
    "ix_challenges_expires_at": "ix_one_time_codes_expires_at",
    "ix_challenges_purpose_lookup": "ix_one_time_codes_purpose_subject_digest",
    "ix_challenges_user_id": "ix_one_time_codes_user_id",
    "ix_guard_tallies_expires_at": "ix_credential_stuffing_counters_expires_at",
    "ix_guess_counters_counted_at": "ix_failed_attempts_last_attempt_at",
    "ix_outbox_due": "ix_outbox_next_attempt_at",
    "ix_revocations_forget_at": "ix_revocations_expires_at",
    "ix_spent_expires_at": "ix_used_captcha_answers_expires_at",
}
CONSTRAINTS = {
    "one_time_codes": {
        "pk_challenges": "pk_one_time_codes",
        "uq_challenges_token_digest": "uq_one_time_codes_token_digest",
    },
    "credential_stuffing_counters": {"pk_guard_tallies": "pk_credential_stuffing_counters"},
    "failed_attempts": {"pk_guess_counters": "pk_failed_attempts"},
    "used_captcha_answers": {"pk_spent": "pk_used_captcha_answers"},
    "token_status_entries": {
        "pk_status_entries": "pk_token_status_entries",
        "uq_status_entries_session_id": "uq_token_status_entries_session_id",
        "fk_status_entries_session_id_sessions": "fk_token_status_entries_session_id_sessions",
    },
}
UNIQUE_COLUMNS = {"one_time_codes": "token_digest", "token_status_entries": "session_id"}

TEMPLATES = {
    "address_known": "account_exists",
    "lost_factor": "mfa_recovery",
    "sms_lost_factor": "sms_mfa_recovery",
}
EVENTS = {
    "account.claimed": "account.ownership_verified",
    "account.password_flagged": "account.password_compromised",
    "delivery.given_up": "delivery.abandoned",
    "email.change_asked": "email.change_requested",
    "email.change_withheld": "email.change_suppressed",
    "email.undo_failed": "email.revert_failed",
    "email.undone": "email.change_reverted",
    "factor.asked": "factor.required",
    "factor.code_withheld": "factor.code_suppressed",
    "factor.codes_replaced": "factor.recovery_codes_replaced",
    "factor.device_forgotten": "factor.device_trust_revoked",
    "factor.device_remembered": "factor.device_trusted",
    "factor.enrolled": "factor.enrolment_started",
    "factor.grace_renewed": "factor.grace_extended",
    "factor.loss_code_sent": "mfa_recovery.code_sent",
    "factor.loss_code_withheld": "mfa_recovery.code_suppressed",
    "factor.loss_proved": "mfa_recovery.confirmed",
    "factor.loss_unproved": "mfa_recovery.failed",
    "factor.reset_asked": "factor.reset_scheduled",
    "factor.reset_dropped": "factor.reset_aborted",
    "key.reencrypted": "secrets.reencrypted",
    "login.closed": "account.locked",
    "login.link_withheld": "login.link_suppressed",
    "login.reopened": "account.unlocked",
    "notice.withheld": "notification.suppressed",
    "passkey.counter_fell": "passkey.clone_suspected",
    "phone.asked": "phone.verification_requested",
    "phone.proof_failed": "phone.verification_failed",
    "phone.proved": "phone.verified",
    "recovery.completed": "password_reset.completed",
    "recovery.failed": "password_reset.failed",
    "recovery.requested": "password_reset.requested",
    "recovery.unknown": "password_reset.unknown_account",
    "recovery.withheld": "password_reset.suppressed",
    "registration.address_known": "registration.email_taken",
    "registration.idle": "registration.nothing_pending",
    "registration.mail_withheld": "registration.mail_suppressed",
    "registration.proof_failed": "registration.verification_failed",
    "risk.guard_raised": "risk.credential_stuffing_detected",
    "risk.judged": "risk.assessed",
    "session.lowered": "session.downgraded",
    "session.moved": "session.location_changed",
    "session.repeated": "session.refresh_replayed",
    "session.reused": "session.refresh_reused",
    "text.prefix_paused": "sms.prefix_paused",
    "text.withheld": "sms.suppressed",
}
RISK_DETAILS = {
    "failures": "failures_here",
    "strangers": "failures_from_unknown_devices",
    "raised": "credential_stuffing",
    "guard_raised": "credential_stuffing",
}
"""Keys within `facts` and `findings`."""

DETAILS = {
    "login.link_sent": {"by": "channel"},
    "mfa_recovery.code_sent": {"by": "channel"},
    "passkey.clone_suspected": {
        "why": "reason",
        "credential_id": "factor_id",
        "told": "sign_count",
        "known": "stored_sign_count",
    },
    "passkey.refused": {"why": "reason", "credential_id": "factor_id"},
    "password_reset.requested": {"by": "channel"},
    "factor.reset_aborted": {"why": "reason"},
    "secrets.reencrypted": {"values": "count"},
    "session.csrf_failed": {"why": "reason"},
    "sms.prefix_paused": {"proved": "converted"},
} | dict.fromkeys(
    ("risk.assessed", "risk.refused", "session.location_changed", "session.downgraded",
     "session.refused"),
    RISK_DETAILS,
)  # fmt: skip
"""Keys of `audit_events.details` to rename, by the new name of the event."""

UNSENT = "sent_at IS NULL AND abandoned_at IS NULL"
BATCH_SIZE = 1000


def upgrade() -> None:
    for old, new in TABLES.items():
        op.rename_table(old, new)
    for table, columns in COLUMNS.items():
        rename_columns(table, columns)
    rename_indexes(INDEXES)
    for table, constraints in CONSTRAINTS.items():
        rename_constraints(table, constraints)
    rename_values("audit_events", "name", EVENTS)
    rename_values("outbox", "template", TEMPLATES)
    rename_details(DETAILS)


def downgrade() -> None:
    rename_details({event: inverted(keys) for event, keys in DETAILS.items()})
    rename_values("outbox", "template", inverted(TEMPLATES))
    rename_values("audit_events", "name", inverted(EVENTS))
    for table, constraints in CONSTRAINTS.items():
        rename_constraints(table, inverted(constraints))
    for table, columns in COLUMNS.items():
        rename_columns(table, inverted(columns))
    rename_indexes(inverted(INDEXES))
    for old, new in TABLES.items():
        op.rename_table(new, old)


def inverted(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in reversed(names.items())}


def rename_columns(table: str, columns: Mapping[str, str]) -> None:
    """Both databases rename the column in indexes and their conditions as well."""
    for old, new in columns.items():
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def rename_indexes(names: Mapping[str, str]) -> None:
    for old, new in names.items():
        if is_sqlite():
            recreate_index(old, new)
        else:
            op.execute(f"ALTER INDEX {old} RENAME TO {new}")


def recreate_index(old: str, new: str) -> None:
    """SQLite renames no index: create it from its own definition."""
    found = sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = :name")
    definition = op.get_bind().execute(found, {"name": old}).scalar_one()
    op.execute(f"DROP INDEX {old}")
    op.execute(sa.text(definition.replace(old, new, 1).replace(":", "\\:")))


def rename_constraints(table: str, names: Mapping[str, str]) -> None:
    if is_sqlite():
        if table in UNIQUE_COLUMNS:
            replace_unique_constraint(table, names)
        return
    for old, new in names.items():
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")


def replace_unique_constraint(table: str, names: Mapping[str, str]) -> None:
    """SQLite names constraints in the table's definition only: copy the table."""
    old, new = next(pair for pair in names.items() if pair[0].startswith("uq_"))
    counted = table == "token_status_entries"
    last_index = highest_index(table) if counted else None
    options = {"sqlite_autoincrement": True} if counted else {}
    with op.batch_alter_table(table, recreate="always", table_kwargs=options) as batch:
        batch.drop_constraint(old, type_="unique")
        batch.create_unique_constraint(new, [UNIQUE_COLUMNS[table]])
    if last_index is not None:
        keep_highest_index(table, last_index)


def highest_index(table: str) -> int | None:
    """Return the highest status index that was ever assigned: none is assigned twice."""
    found = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    return op.get_bind().execute(found, {"table": table}).scalar()


def keep_highest_index(table: str, index: int) -> None:
    connection, values = op.get_bind(), {"table": table, "index": index}
    connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :table"), values)
    kept = "INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :index)"
    connection.execute(sa.text(kept), values)


def rename_values(table: str, column: str, names: Mapping[str, str]) -> None:
    """Rename stored values in one pass over the table."""
    rows = sa.table(table, sa.column(column, sa.String))
    stored = rows.c[column]
    renamed = sa.case(names, value=stored)
    op.execute(sa.update(rows).where(stored.in_(names)).values({column: renamed}))


def rename_details(renames: Mapping[str, Mapping[str, str]]) -> None:
    events = sa.table(
        "audit_events",
        sa.column("id", sa.Uuid),
        sa.column("name", sa.String),
        sa.column("details", sa.JSON),
    )
    change = (
        sa.update(events)
        .where(events.c.id == sa.bindparam("event_id"))
        .values(details=sa.bindparam("renamed", type_=sa.JSON))
    )
    for batch in batches(events, list(renames)):
        changed = [
            {"event_id": event_id, "renamed": new}
            for event_id, name, details in batch
            if (new := with_renamed_keys(details, renames[name])) != details
        ]
        if changed:
            op.get_bind().execute(change, changed)


def batches(events: sa.TableClause, names: list[str]) -> Iterator[list[sa.Row]]:
    """Yield the events of these names in the order of their ids."""
    wanted = sa.select(events.c.id, events.c.name, events.c.details)
    wanted = wanted.where(events.c.name.in_(names)).order_by(events.c.id).limit(BATCH_SIZE)
    batch = list(op.get_bind().execute(wanted))
    while batch:
        yield batch
        batch = list(op.get_bind().execute(wanted.where(events.c.id > batch[-1].id)))


def with_renamed_keys(details: object, names: Mapping[str, str]) -> object:
    """Rename the keys of an object; of risk events those within `facts` and `findings`."""
    if not isinstance(details, dict):
        return details
    if not set(names) & {"guard_raised", "credential_stuffing"}:
        return {names.get(key, key): value for key, value in details.items()}
    return details | {
        part: {names.get(key, key): value for key, value in details[part].items()}
        for part in ("facts", "findings")
        if isinstance(details.get(part), dict)
    }
