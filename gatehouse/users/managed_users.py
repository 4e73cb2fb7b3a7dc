"""Users as administrators see them: one statement, and its answer without any secret."""

from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, case, func, literal, select

from gatehouse.authorization import roles
from gatehouse.core.errors import NotFound
from gatehouse.database.session import db
from gatehouse.users import profile_schema_store
from gatehouse.users.profile_schema import ADMINISTRATOR
from models import PROFILE_LENGTHS, Credential, Password, User

ACTIVE, DISABLED, UNVERIFIED, DELETED = "active", "disabled", "unverified", "deleted"
STATUSES = (ACTIVE, DISABLED, UNVERIFIED, DELETED)
STATUS = case(
    (User.deleted_at.is_not(None), literal(DELETED)),
    (User.disabled_at.is_not(None), literal(DISABLED)),
    (User.email_verified_at.is_(None), literal(UNVERIFIED)),
    else_=literal(ACTIVE),
).label("status")


def _factor_kinds() -> ScalarSelect[str]:
    """Return a column: the kinds of the user's confirmed factors, joined by spaces."""
    confirmed = Credential.confirmed_at.is_not(None)
    kinds = select(func.aggregate_strings(Credential.kind, roles.SEPARATOR))
    return kinds.where(Credential.user_id == User.id, confirmed).scalar_subquery()


SELECT_MANAGED_USERS = select(
    *User.__table__.columns,
    STATUS,
    Password.changed_at.label("password_changed_at"),
    Password.compromised_at.label("password_compromised_at"),
    *roles.assignment_columns(User.id),
    profile_schema_store.version_column(),
    _factor_kinds().label("factor_kinds"),
).outerjoin_from(User, Password, Password.user_id == User.id)


def get_managed_user(user_id: UUID) -> dict[str, object]:
    """Return a user (the schema `ManagedUser`).

    Raises:
        NotFound: there is no user of this id.
    """
    found = db.session.execute(SELECT_MANAGED_USERS.where(User.id == user_id)).one_or_none()
    if found is None:
        raise NotFound
    return serialize_user(found)


def serialize_user(row: Any) -> dict[str, Any]:
    """Return a row of `SELECT_MANAGED_USERS` as administrators see it."""
    profile = {name: getattr(row, name) for name in PROFILE_LENGTHS}
    schema = profile_schema_store.get_schema(row.profile_schema_version)
    return profile | {
        "attributes": schema.select_readable(row.attributes, ADMINISTRATOR),
        "id": str(row.id),
        "email": row.email,
        "email_verified": row.email_verified_at is not None,
        "username": row.username,
        "phone": row.phone,
        "phone_verified": row.phone_verified_at is not None,
        "status": row.status,
        "roles": list(roles.get_effective_roles(row, row.roles_version).names),
        "factors": sorted(set((row.factor_kinds or "").split())),
        "password": _password_state(row),
        "disabled_at": row.disabled_at,
        "disabled_until": row.disabled_until,
        "disabled_reason": row.disabled_reason,
        "deleted_at": row.deleted_at,
        "erased_after": row.erased_after,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _password_state(row: Any) -> str:
    if row.password_changed_at is None:
        return "none"
    return "change_required" if row.password_compromised_at else "set"


def mask_contacts(user: dict[str, Any]) -> dict[str, Any]:
    """Return a user whose contacts can be recognized, but not used, without attributes."""
    local, _, domain = user["email"].partition("@")
    phone = user["phone"]
    masked = f"{phone[:3]}{'*' * (len(phone) - 5)}{phone[-2:]}" if phone else None
    return user | {"email": f"{local[:1]}***@{domain}", "phone": masked, "attributes": {}}
