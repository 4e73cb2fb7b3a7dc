"""Send one event to a webhook, signed, and interpret the answer."""

from gatehouse.core.crypto import DecryptionFailed
from gatehouse.hooks import signing, stored_secrets
from gatehouse.hooks.signing import SignedMessage
from gatehouse.net.http_client import HttpRequest, OutboundRequestFailed, send_request
from models import Hook

TIMEOUT = 10.0
"""Seconds for the whole answer."""
MAX_ANSWER = 65_536
"""Bytes of an answer, which is not used for anything."""


class WebhookFailed(Exception):
    """A webhook did not accept an event; the reason contains nothing of its answer's body."""

    def __init__(self, reason: str, status: int | None = None, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.status = status
        """The status of the answer; None if there was none."""
        self.retry_after = retry_after
        """Seconds to wait, if the receiver named them."""


def send(hook: Hook, message: SignedMessage) -> int:
    """Send a message to a webhook with no transaction open; return the status, which is 2xx.

    Raises:
        WebhookFailed: no connection, no answer in time, or another status.
    """
    try:
        secrets = stored_secrets.decrypt(hook.secrets, hook.id).active
    except DecryptionFailed:
        raise WebhookFailed("Its signing secret cannot be decrypted.") from None
    headers = signing.build_headers(message, secrets)
    request = HttpRequest("POST", hook.url, headers, message.body, TIMEOUT, MAX_ANSWER)
    try:
        response = send_request(request)
    except OutboundRequestFailed as error:
        raise WebhookFailed(str(error)) from None
    if 200 <= response.status < 300:
        return response.status
    asked = response.headers.get("Retry-After", "")
    seconds = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0.0
    raise WebhookFailed(f"It answered {response.status}.", response.status, seconds)
