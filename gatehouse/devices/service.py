"""Devices that a person has signed in on: each keeps a random token of which we hold the digest.

A known device opens nothing by itself. It tells the owner from a stranger, so that guessing by
strangers never makes the owner wait.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ScalarSelect, bindparam, delete, select, update

from gatehouse.core import clock, crypto
from gatehouse.database.session import UTCDateTime, db
from gatehouse.database.statements import run
from gatehouse.web.request_context import Visitor
from models import Device

LIFETIME = timedelta(days=400)  # as long as browsers keep a cookie at most, RFC 6265bis section 5.5
REMEMBERED = timedelta(days=30)  # NIST SP 800-63B-4 section 5.1: no longer than a session may last
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_devices = Device.metadata.tables["devices"]
USE = (
    update(_devices)
    .where(_devices.c.user_id == bindparam("mine"), _devices.c.expires_at > bindparam("now"))
    .where(_devices.c.digest.in_(bindparam("digests", expanding=True)))
    .values({each: bindparam(each) for each in ("digest", "user_agent")})
    .values(last_used_at=bindparam("now"), expires_at=bindparam("until"))
    .returning(_devices.c.id)
)
"""Notes that a person signed in on a device once more."""


def recognise(user_id: UUID, visitor: Visitor) -> Device | None:
    """Return the visitor's device if this person has signed in on it before."""
    if not TOKEN.fullmatch(visitor.device):
        return None
    mine = select(Device).where(Device.user_id == user_id, Device.expires_at > clock.now())
    return db.session.scalar(mine.where(Device.digest.in_(_digests(visitor.device))))


def is_remembered(user_id: UUID, visitor: Visitor) -> bool:
    """Tell whether this person wants no second factor asked on the visitor's device, for now."""
    device = recognise(user_id, visitor)
    until = device.remembered_until if device else None
    return until is not None and until > clock.now()


def known(user_id: Any) -> ScalarSelect[UUID]:
    """Return an expression: the device on which a person has signed in; see `known_as`."""
    digests: BindParameter[str] = bindparam("devices", expanding=True)
    now = bindparam("device_at", type_=UTCDateTime)
    mine = select(Device.id).where(Device.user_id == user_id, Device.expires_at > now)
    return mine.where(Device.digest.in_(digests)).limit(1).scalar_subquery()


def known_as(visitor: Visitor) -> dict[str, Any]:
    """Return the values of that expression."""
    token = visitor.device
    digests = _digests(token) if TOKEN.fullmatch(token) else []
    return {"devices": digests, "device_at": clock.now()}


def keep(user_id: UUID, visitor: Visitor) -> str:
    """Remember the device of a completed login, in the current transaction; return its token.

    A token of ours is kept, whoever signed in before; any other string is replaced.
    """
    now, agent = clock.now(), visitor.user_agent
    if _is_used_again(user_id, visitor, now):
        return visitor.device
    token = visitor.device if _is_ours(visitor.device) else crypto.token()
    device = Device(user_id=user_id, digest=_digests(token)[0], user_agent=agent, created_at=now)
    device.last_used_at, device.expires_at = now, now + LIFETIME
    db.session.add(device)
    return token


def remember(user_id: UUID, token: str) -> None:
    """Ask this person for no second factor on a device for thirty days, in the transaction."""
    mine = update(Device).where(Device.user_id == user_id, Device.digest.in_(_digests(token)))
    db.session.execute(mine.values(remembered_until=clock.now() + REMEMBERED))


def remembered(user_id: UUID) -> Sequence[Device]:
    """Return the devices on which a person is asked for no second factor, newest first."""
    mine = select(Device).where(Device.user_id == user_id, Device.remembered_until > clock.now())
    return db.session.scalars(mine.order_by(Device.id.desc())).all()


def ask_again(user_id: UUID, device_id: UUID | None = None) -> bool:
    """Ask for the second factor again on one device of a person, or on all of them.

    Works in the current transaction; tells whether there was one.
    """
    mine = update(Device).where(Device.user_id == user_id, Device.remembered_until.is_not(None))
    if device_id:
        mine = mine.where(Device.id == device_id)
    changed = db.session.execute(mine.values(remembered_until=None).returning(Device.id))
    return changed.first() is not None


def ids(user_id: UUID) -> Sequence[UUID]:
    """Return the ids of the devices that a person has signed in on."""
    return db.session.scalars(select(Device.id).where(Device.user_id == user_id)).all()


def forget(device_id: UUID) -> None:
    """Make a device unknown, in the current transaction."""
    db.session.execute(delete(Device).where(Device.id == device_id))


def forget_all(user_id: UUID) -> None:
    """Make all devices of a person unknown, in the current transaction."""
    db.session.execute(delete(Device).where(Device.user_id == user_id))


def purge() -> None:
    """Delete the devices that nobody used for so long that their tokens have expired."""
    db.session.execute(delete(Device).where(Device.expires_at < clock.now()))


def _is_used_again(user_id: UUID, visitor: Visitor, now: datetime) -> bool:
    """Note that a person signed in on a device once more; tell whether they had done so before."""
    if not TOKEN.fullmatch(visitor.device):
        return False
    digests = _digests(visitor.device)
    used = {"now": now, "until": now + LIFETIME, "user_agent": visitor.user_agent}
    used["digest"] = digests[0]  # of the active key
    return bool(run(USE, mine=user_id, digests=digests, **used))


def _is_ours(token: str) -> bool:
    """Tell whether we made the token: nobody may choose the secret of somebody else's device."""
    if not TOKEN.fullmatch(token):
        return False
    rows = select(Device.id).where(Device.digest.in_(_digests(token)))
    return db.session.scalar(rows.where(Device.expires_at > clock.now()).limit(1)) is not None


def _digests(token: str) -> list[str]:
    return crypto.keyed_digests("device", token)
