"""The trusted-device endpoints: list the devices that skip the second factor, and revoke one."""

from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.devices import service as devices
from gatehouse.mfa import trusted_devices
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.openapi import Blueprint
from gatehouse.web.request_context import request_context
from gatehouse.web.user_agent import device_name
from models import Device
from schemas import Timestamp

trusted_device_routes = Blueprint(
    "devices", __name__, url_prefix="/auth/devices", description="My devices"
)
DATE_TIME = {"type": "string", "format": "date-time"}


class TrustedDevice(Schema):
    """A device of mine on which logins need no second factor."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    device = fields.String(required=True, metadata={"example": "Firefox on Linux"})
    created_at = Timestamp(required=True, metadata=DATE_TIME)
    last_used_at = Timestamp(required=True, metadata=DATE_TIME)
    remembered_until = Timestamp(required=True, metadata=DATE_TIME)


class TrustedDeviceList(Schema):
    """My trusted devices, newest first."""

    items = fields.List(fields.Nested(TrustedDevice), required=True)


@trusted_device_routes.get("")
@signed_in
@trusted_device_routes.response(200, TrustedDeviceList)
def list_trusted_devices(caller: AccessToken) -> dict[str, object]:
    """List my devices on which logins need no second factor."""
    return {
        "items": [
            _serialize_device(device) for device in devices.list_trusted_devices(UUID(caller.sub))
        ]
    }


@trusted_device_routes.delete("/<uuid:device_id>")
@signed_in
@trusted_device_routes.response(204)
@trusted_device_routes.errors(NotFound)
def forget_trusted_device(caller: AccessToken, device_id: UUID) -> None:
    """Require the second factor again on one of my devices."""
    trusted_devices.forget_device(UUID(caller.sub), device_id, request_context())


def _serialize_device(row: Device) -> dict[str, object]:
    return {
        "id": str(row.id),
        "device": device_name(row.user_agent),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "remembered_until": row.remembered_until,
    }
