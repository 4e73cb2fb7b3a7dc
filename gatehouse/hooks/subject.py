"""The user that hooks are asked about."""

from uuid import UUID

from sqlalchemy import bindparam, select

from gatehouse.database.statements import fetch_one_or_none
from models import User

SELECT_NAMES = select(User.email, User.username).where(User.id == bindparam("user_id"))


def describe_user(user_id: UUID) -> dict[str, object]:
    """Return the id and the names of a user, outside any transaction."""
    names = fetch_one_or_none(SELECT_NAMES, user_id=user_id)
    return {"id": str(user_id), **(names._asdict() if names else {})}
