"""Known devices: a user has signed in on them, and they keep a random token stored as a digest.

A known device grants no access by itself. It distinguishes the owner from others in the lockout,
so that failed attempts elsewhere never make the owner wait.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BindParameter, ScalarSelect, bindparam, delete, select, update

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.events import CredentialChanged, UserDisabled
from gatehouse.database.session import UTCDateTime, db
from gatehouse.web.request_context import RequestContext
from models import Device

LIFETIME = timedelta(days=400)  # the longest a browser keeps a cookie, RFC 6265bis section 5.5
TRUST_LIFETIME = timedelta(days=30)
"""No longer than a session may last, NIST SP 800-63B-4 section 5.1."""
TOKEN_FORMAT = re.compile(r"[A-Za-z0-9_-]{43}")
_devices = Device.metadata.tables["devices"]
UPDATE_LAST_USE = (
    update(_devices)
    .where(_devices.c.user_id == bindparam("id_of_user"), _devices.c.expires_at > bindparam("now"))
    .where(_devices.c.digest.in_(bindparam("digests", expanding=True)))
    .values({each: bindparam(each) for each in ("digest", "user_agent")})
    .values(last_used_at=bindparam("now"), expires_at=bindparam("until"))
    .returning(_devices.c.id)
)
"""Update a known device after another login on it."""


def find_device(user_id: UUID, context: RequestContext) -> Device | None:
    """Return the client's device if this user has signed in on it before."""
    if not TOKEN_FORMAT.fullmatch(context.device_token):
        return None
    devices = select(Device).where(Device.user_id == user_id, Device.expires_at > clock.now())
    return db.session.scalar(devices.where(Device.digest.in_(_digests(context.device_token))))


def is_trusted(user_id: UUID, context: RequestContext) -> bool:
    """Return whether the user has trusted this device: its logins need no second factor."""
    device = find_device(user_id, context)
    until = device.remembered_until if device else None
    return until is not None and until > clock.now()


def device_id_subquery(user_id: object) -> ScalarSelect[UUID]:
    """Return an SQL expression: the id of the client's device if the user has signed in on it.

    Its parameters come from `device_params`.
    """
    digests: BindParameter[str] = bindparam("devices", expanding=True)
    now = bindparam("device_at", type_=UTCDateTime)
    devices = select(Device.id).where(Device.user_id == user_id, Device.expires_at > now)
    return devices.where(Device.digest.in_(digests)).limit(1).scalar_subquery()


def device_params(context: RequestContext) -> dict[str, object]:
    """Return the parameters of `device_id_subquery`."""
    token = context.device_token
    digests = _digests(token) if TOKEN_FORMAT.fullmatch(token) else []
    return {"devices": digests, "device_at": clock.now()}


def register_login(user_id: UUID, context: RequestContext) -> str:
    """Save the device of a completed login, in the current transaction; return its token.

    A token that this service issued is reused, whichever user it was issued to; anything else is
    replaced.
    """
    now, agent = clock.now(), context.user_agent
    if _update_known_device(user_id, context, now):
        return context.device_token
    token = context.device_token if _is_issued(context.device_token) else crypto.random_token()
    device = Device(user_id=user_id, digest=_digests(token)[0], user_agent=agent, created_at=now)
    device.last_used_at, device.expires_at = now, now + LIFETIME
    db.session.add(device)
    return token


def trust_device(user_id: UUID, token: str) -> None:
    """Trust a device of the user for 30 days, in the current transaction."""
    devices = update(Device).where(Device.user_id == user_id, Device.digest.in_(_digests(token)))
    db.session.execute(devices.values(remembered_until=clock.now() + TRUST_LIFETIME))


def list_trusted_devices(user_id: UUID) -> Sequence[Device]:
    """Return the devices that a user has trusted, newest first."""
    devices = select(Device).where(Device.user_id == user_id, Device.remembered_until > clock.now())
    return db.session.scalars(devices.order_by(Device.id.desc())).all()


def forget_trust(user_id: UUID, device_id: UUID | None = None) -> bool:
    """Withdraw the trust of one device of a user, or of all, in the current transaction.

    Returns:
        Whether any device was trusted.
    """
    devices = update(Device).where(Device.user_id == user_id, Device.remembered_until.is_not(None))
    if device_id:
        devices = devices.where(Device.id == device_id)
    changed = db.session.execute(devices.values(remembered_until=None).returning(Device.id))
    return changed.first() is not None


def withdraw_trust(event: CredentialChanged[RequestContext] | UserDisabled[RequestContext]) -> None:
    """Withdraw the trust of all devices of a user whose credentials changed, or who is disabled."""
    forget_trust(event.user_id)


def list_device_ids(user_id: UUID) -> Sequence[UUID]:
    """Return the ids of the devices that a user has signed in on."""
    return db.session.scalars(select(Device.id).where(Device.user_id == user_id)).all()


def forget_device(device_id: UUID) -> None:
    """Delete a device, in the current transaction: it is unknown from now on."""
    db.session.execute(delete(Device).where(Device.id == device_id))


def forget_all_devices(user_id: UUID) -> None:
    """Delete all devices of a user, in the current transaction."""
    db.session.execute(delete(Device).where(Device.user_id == user_id))


def purge_expired_devices() -> None:
    """Delete the devices whose tokens have expired."""
    db.session.execute(delete(Device).where(Device.expires_at < clock.now()))


def digest_token(token: str) -> str:
    """Return the digest that is stored of a device token."""
    return _digests(token)[0]


def matches_digest(token: str, digest: str) -> bool:
    """Return whether a device token that a client sent is the one of a stored digest."""
    return TOKEN_FORMAT.fullmatch(token) is not None and digest in _digests(token)


def _update_known_device(user_id: UUID, context: RequestContext, now: datetime) -> bool:
    """Update the client's device if the user has signed in on it before; return whether so."""
    if not TOKEN_FORMAT.fullmatch(context.device_token):
        return False
    digests = _digests(context.device_token)
    used = {"now": now, "until": now + LIFETIME, "user_agent": context.user_agent}
    used["digest"] = digests[0]  # of the active key
    values = used | {"id_of_user": user_id, "digests": digests}
    return db.session.execute(UPDATE_LAST_USE, values).first() is not None


def _is_issued(token: str) -> bool:
    """Return whether this service issued the token: clients may not choose one for other users."""
    if not TOKEN_FORMAT.fullmatch(token):
        return False
    rows = select(Device.id).where(Device.digest.in_(_digests(token)))
    return db.session.scalar(rows.where(Device.expires_at > clock.now()).limit(1)) is not None


def _digests(token: str) -> list[str]:
    return crypto.keyed_digests(crypto_labels.DEVICE, token)
