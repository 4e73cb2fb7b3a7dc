"""Messages to administrators about what needs them."""

from gatehouse.authorization import administrators
from gatehouse.authorization.permissions import HOOKS_WRITE
from gatehouse.core.events import WebhookPaused
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import BACKGROUND

PAUSED_TEMPLATE = "notice_webhook_paused"


def announce_pause(event: WebhookPaused) -> None:
    """Notify those who manage hooks that one is paused, in the current transaction."""
    variables = {"webhook": event.name, "reason": event.reason}
    for holder in administrators.list_holders(HOOKS_WRITE):
        request = MessageRequest(holder.email, PAUSED_TEMPLATE, variables, holder.locale)
        outbox.put(request, BACKGROUND)
