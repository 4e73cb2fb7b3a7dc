"""Read and change a grant where its code is redeemed and its refresh token rotated.

The common case is one conditional UPDATE: the user is enabled, the session (unless access is
offline) is active, and nothing was used before. What it does not find is looked at under a lock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

import config
from gatehouse.core import crypto
from gatehouse.database.session import UTCDateTime, db
from gatehouse.oauth.client_metadata import REFRESH
from gatehouse.sessions import refresh_tokens
from gatehouse.users import service as users
from models import GrantStatusEntry, OAuthClient, OAuthGrant, Session, User

_tables = OAuthGrant.metadata.tables
_grants = _tables["oauth_grants"].c
_now, _idle_limit = (bindparam(name, type_=UTCDateTime) for name in ("now", "idle_limit"))


def is_alive(now: Any) -> ColumnElement[bool]:
    """Return the condition that a grant and what it hangs on are active."""
    user_is_enabled = exists().where(User.id == _grants.user_id, User.disabled_at.is_(None))
    session_is_active = exists().where(
        *(Session.id == _grants.session_id, Session.ended_at.is_(None)),
        *(Session.idle_at > now, Session.expires_at > now),
    )
    return and_(
        *(_grants.ended_at.is_(None), _grants.idle_at > now, _grants.expires_at > now),
        *(user_is_enabled, or_(_grants.session_id.is_(None), session_is_active)),
    )


def _is_authorized(now: Any) -> ColumnElement[bool]:
    """Return the condition that the session in which a grant was authorized is active.

    A code is redeemed in it, also one with offline access: else a client would begin a session of
    an ended one, and never learn of its end.
    """
    return exists().where(
        *(Session.id == _grants.authorized_session_id, Session.ended_at.is_(None)),
        *(Session.idle_at > now, Session.expires_at > now),
    )


_bounded_idle = case((_grants.expires_at < _idle_limit, _grants.expires_at), else_=_idle_limit)
_gets_token = bindparam("successor", type_=_grants.current_token_id.type)
REDEEM_CODE = (
    update(_tables["oauth_grants"])
    .where(_grants.id == bindparam("grant_id"), _grants.code_used_at.is_(None))
    .where(_grants.code_expires_at > _now, is_alive(_now), _is_authorized(_now))
    .values(code_used_at=_now, last_used_at=_now)
    .values(current_token_id=_gets_token, token_issued_at=_now, idle_at=_bounded_idle)
    .returning(*_grants)
)
_uses_within_interval = case(
    (_grants.token_issued_at > bindparam("interval_start"), _grants.used_tokens), else_=""
)
_used_tokens = bindparam("use", type_=_grants.used_tokens.type) + _uses_within_interval
ROTATE_TOKEN = (
    update(_tables["oauth_grants"])
    .where(_grants.id == bindparam("grant_id"), is_alive(_now))
    .where(_grants.current_token_id == bindparam("presented"))
    .values(current_token_id=_gets_token, token_issued_at=_now, last_used_at=_now)
    .values(used_tokens=func.substr(_used_tokens, 1, refresh_tokens.MAX_LENGTH))
    .values(idle_at=_bounded_idle)
    .returning(*_grants)
)
SELECT_LIVE = select(*_grants).where(_grants.id == bindparam("grant_id"), is_alive(_now))
_status_index = (
    select(GrantStatusEntry.status_index)
    .where(GrantStatusEntry.grant_id == bindparam("grant_id"))
    .scalar_subquery()
    .label("status_index")
)
SELECT_USER = select(*users.SELECT_PROFILE.selected_columns, _status_index).where(
    User.id == bindparam("user_id")
)


@dataclass(frozen=True)
class GrantUser:
    """The user of a grant, as tokens and claims describe them now."""

    row: Any
    """The columns of the user, the version of the catalogue of roles, and `status_index`."""
    content: users.TokenContent


def redeem_code(grant_id: UUID, client: OAuthClient, now: datetime) -> Row[Any] | None:
    """Mark a code as used, once; return the grant, or None if that is not possible any more."""
    gets_token = REFRESH in client.grant_types
    values = {"grant_id": grant_id, "now": now, "idle_limit": _idle_limit_of(client, now)}
    values["successor"] = crypto.new_id() if gets_token else None
    return db.session.execute(REDEEM_CODE, values).one_or_none()


def rotate_token(
    grant_id: UUID, presented: UUID, client: OAuthClient, now: datetime
) -> Row[Any] | None:
    """Replace the current refresh token; return the grant, or None in any unusual case."""
    values = {
        "grant_id": grant_id,
        "presented": presented,
        "successor": crypto.new_id(),
        "now": now,
        "idle_limit": _idle_limit_of(client, now),
        "interval_start": refresh_tokens.reuse_interval_start(now),
        "use": refresh_tokens.format_use(presented, now),
    }
    return db.session.execute(ROTATE_TOKEN, values).one_or_none()


def find_live(grant_id: UUID, now: datetime) -> Row[Any] | None:
    """Return a grant, if it and what it hangs on are active."""
    return db.session.execute(SELECT_LIVE, {"grant_id": grant_id, "now": now}).one_or_none()


def load_user(grant: Any) -> GrantUser:
    """Return the user of a grant."""
    values = {"user_id": grant.user_id, "grant_id": grant.id}
    row = db.session.execute(SELECT_USER, values).one()
    return GrantUser(row, users.build_profile(row))


def _idle_limit_of(client: OAuthClient, now: datetime) -> datetime:
    """Return when a new refresh token expires; signing keys verify no longer than sessions idle."""
    lifetime = timedelta(seconds=client.refresh_token_lifetime)
    return now + min(lifetime, config.settings().session_idle_timeout)
