"""Require the second factor again on a device that a user trusted."""

from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core.errors import NotFound
from gatehouse.database.session import write_transaction
from gatehouse.devices import service as devices
from gatehouse.web.request_context import RequestContext


def forget_device(user_id: UUID, device_id: UUID, context: RequestContext) -> None:
    """Withdraw the trust in one of a user's devices.

    Raises:
        NotFound: the user trusts no such device.
    """
    with write_transaction():
        if not devices.forget_trust(user_id, device_id):
            raise NotFound
        record(events.Factor.DEVICE_TRUST_REVOKED, context, user_id=user_id)
