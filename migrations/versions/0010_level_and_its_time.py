"""A session is above AAL1 if and only if it has the time of its second factor.

Sessions that break the rule are lowered first: neither limit of AAL2 applied to them. The second
constraint, of role assignments, becomes two-sided: only assignments of users have a `user_id`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

LEVEL_HAS_TIME = "(acr = 'aal1') = (aal2_authenticated_at IS NULL)"
SUBJECT_OF_USER = (
    "(subject_kind = 'user') = (user_id IS NOT NULL) AND (user_id IS NULL OR user_id = subject_id)"
)
FORMER_SUBJECT_OF_USER = "subject_kind <> 'user' OR (user_id IS NOT NULL AND user_id = subject_id)"
SECOND_FACTORS = {"otp", "sms", "hwk", "swk", "recovery", "mfa"}
SESSIONS = sa.table(
    "sessions",
    sa.column("id", sa.Uuid),
    sa.column("amr", sa.JSON),
    sa.column("acr", sa.String),
    sa.column("aal2_authenticated_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    lower_sessions()
    op.execute("UPDATE role_assignments SET user_id = NULL WHERE subject_kind <> 'user'")
    replace_check("sessions", "level_has_time", LEVEL_HAS_TIME, is_new=True)
    replace_check("role_assignments", "subject_of_user", SUBJECT_OF_USER)


def downgrade() -> None:
    replace_check("role_assignments", "subject_of_user", FORMER_SUBJECT_OF_USER)
    replace_check("sessions", "level_has_time", None)


def lower_sessions() -> None:
    timeless = SESSIONS.c.aal2_authenticated_at.is_(None)
    broken = sa.select(SESSIONS.c.id, SESSIONS.c.amr).where(SESSIONS.c.acr != "aal1", timeless)
    for session_id, amr in op.get_bind().execute(broken).all():
        lowered = sa.update(SESSIONS).where(SESSIONS.c.id == session_id)
        op.execute(lowered.values(acr="aal1", amr=without_second_factor(amr)))
    has_only_time = sa.update(SESSIONS).where(SESSIONS.c.acr == "aal1")
    op.execute(has_only_time.values(aal2_authenticated_at=None))


def without_second_factor(amr: list[str]) -> list[str]:
    rest = [word for word in amr if word not in SECOND_FACTORS]
    return rest or [word for word in amr if word != "mfa"]


def replace_check(table: str, name: str, condition: str | None, is_new: bool = False) -> None:
    """Replace a CHECK constraint, or drop it; SQLite copies the table with all its other parts."""
    full_name = op.f(f"ck_{table}_{name}")
    with op.batch_alter_table(table) as batch:
        if not is_new:
            batch.drop_constraint(full_name, type_="check")
        if condition:
            batch.create_check_constraint(full_name, condition)
