"""The trusted-device endpoints: list the devices that skip the second factor, and revoke one."""

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core.errors import NotFound
from gatehouse.database.session import db, writing
from gatehouse.devices import service as devices
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.openapi import Blueprint
from gatehouse.web.request_context import visitor
from gatehouse.web.user_agent import device_name
from models import Device
from schemas import Moment

my_devices = Blueprint("devices", __name__, url_prefix="/auth/devices", description="My devices")
MOMENT = {"type": "string", "format": "date-time"}


class DeviceItem(Schema):
    """A remembered device of mine."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    device = fields.String(required=True, metadata={"example": "Firefox on Linux"})
    created_at = Moment(required=True, metadata=MOMENT)
    last_used_at = Moment(required=True, metadata=MOMENT)
    remembered_until = Moment(required=True, metadata=MOMENT)


class DeviceList(Schema):
    """All of them, newest first."""

    items = fields.List(fields.Nested(DeviceItem), required=True)


@my_devices.get("")
@signed_in
@my_devices.response(200, DeviceList)
def list_devices(caller: AccessToken) -> dict[str, Any]:
    """List my devices on which no second factor is asked."""
    return {"items": [_item(device) for device in devices.remembered(UUID(caller.sub))]}


@my_devices.delete("/<uuid:device_id>")
@signed_in
@my_devices.response(204)
@my_devices.refuses(NotFound)
def forget_device(caller: AccessToken, device_id: UUID) -> None:
    """Ask for the second factor again on a device of mine."""
    with writing():
        if not devices.ask_again(UUID(caller.sub), device_id):
            raise NotFound
        record(events.Factor.DEVICE_FORGOTTEN, visitor(), user_id=UUID(caller.sub))
    db.session.commit()


def _item(row: Device) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "device": device_name(row.user_agent),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "remembered_until": row.remembered_until,
    }
