"""Send logout tokens to clients: threads of the server, or of `gatehouse worker`.

Each client has a lane of its own (see `database.delivery_lanes`). A worker that dies keeps its
leases for two minutes; then another one sends the notifications again, with new tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlencode

from flask import Flask

from gatehouse.core.log import logger
from gatehouse.database.background_tasks import run_periodically
from gatehouse.database.delivery_lanes import LaneWorker
from gatehouse.database.lease_queue import record_outcome
from gatehouse.net.http_client import HttpRequest, OutboundRequestFailed, send_request
from gatehouse.oauth import logout_queue, logout_tokens
from gatehouse.oauth.logout_queue import Lease, LogoutFailed

METRICS_INTERVAL = 15.0
BATCH = 10
TIMEOUT = 5.0
"""Seconds for the whole answer."""
MAX_ANSWER = 65_536
"""Bytes of an answer, which is not used for anything."""
MAX_SEND_TIME = timedelta(seconds=20)
"""More than one delivery takes, so that no lease ends during it."""
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
ACCEPTED, REJECTED = (200, 204), 400  # OpenID Connect Back-Channel Logout section 2.8


def start_worker(app: Flask) -> "LogoutWorker":
    """Start to send in background threads of this process; return the worker."""
    run_periodically(METRICS_INTERVAL, app, "logout metrics", logout_queue.update_metrics)
    worker = LogoutWorker()
    worker.start(app)
    return worker


@dataclass
class LogoutWorker(LaneWorker[str, Lease]):
    """A worker that sends due notifications, and leaves failing clients alone for seconds."""

    name: ClassVar[str] = "logout"

    def list_due(self) -> list[str]:
        """Return the clients that have due notifications."""
        return logout_queue.list_due_clients()

    def lease(self, receiver: str) -> Sequence[Lease]:
        """Lease due notifications of a client."""
        return logout_queue.lease_notifications(receiver, BATCH)

    def is_valid(self, lease: Lease) -> bool:
        """Return whether the lease lasts longer than a delivery."""
        return lease.is_valid_for(MAX_SEND_TIME)

    def release(self, leases: Sequence[Lease]) -> None:
        """Release notifications that were not tried."""
        logout_queue.release_leases(leases)

    def deliver(self, lease: Lease) -> bool:
        """Send a logout token and record the outcome; return whether it was accepted."""
        try:
            status = _send(lease)
        except LogoutFailed as error:
            failure = error
            fields = {"client": lease.client.id, "notification": lease.row.id}
            logger().warning("A logout was not delivered.", **fields, reason=failure.reason)
            record_outcome(lambda: logout_queue.mark_failed(lease, failure))
            return False
        record_outcome(lambda: logout_queue.mark_delivered(lease, status))
        return True


def _send(lease: Lease) -> int:
    """Send a logout token with no transaction open; return the status of the answer.

    Raises:
        LogoutFailed: it was not accepted, for whatever reason.
    """
    try:
        return _post_token(lease)
    except LogoutFailed:
        raise
    except OutboundRequestFailed as error:
        raise LogoutFailed(str(error)) from None
    except Exception as error:  # temporary: a missing key may be configured again
        raise LogoutFailed(f"It could not be sent: {type(error).__name__}.") from None


def _post_token(lease: Lease) -> int:
    """Send a new token (section 2.5): a form, to the registered URL only.

    Raises:
        LogoutFailed: the client answered with an error or a redirect, which is not followed.
        OutboundRequestFailed: no connection, no answer in time, or the URL is not allowed.
    """
    url = lease.client.backchannel_logout_uri
    if url is None:
        raise LogoutFailed("The client no longer has a URL for it.", is_final=True)
    token = logout_tokens.build_logout_token(lease.row, lease.client)
    body = urlencode({"logout_token": token}).encode()
    response = send_request(HttpRequest("POST", url, HEADERS, body, TIMEOUT, MAX_ANSWER))
    if response.status in ACCEPTED:
        return response.status
    is_final = response.status == REJECTED
    raise LogoutFailed(f"It answered {response.status}.", response.status, is_final=is_final)
