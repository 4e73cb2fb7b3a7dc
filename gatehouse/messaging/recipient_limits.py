"""Hourly message limits per recipient; the client never learns that a limit was reached."""

from datetime import timedelta

from gatehouse.core import clock
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import RequestContext

WINDOW = timedelta(hours=1)
MAX_PER_WINDOW = 3
"""Messages of one template to one recipient; each template has its own count."""
LIMITS_BY_TEMPLATE = {"notice_lockout": 1, "notice_attempts": 1, "factor_code": 10}
"""`factor_code` is sent after the first factor only, so only the user can use its quota up."""
UNLIMITED_TEMPLATES = {"notice_mfa_reset"}
"""Its link is the user's way to object; only an operator or an MFA recovery can cause it."""
COUNTED_TOGETHER = {"verify_email", "account_exists"}
"""Alternative results of one request share a count, which would otherwise reveal the result."""


def has_quota(recipient: str, template: str) -> bool:
    """Return whether one more message of a template may be sent to a recipient."""
    if template in UNLIMITED_TEMPLATES:
        return True
    templates = COUNTED_TOGETHER if template in COUNTED_TOGETHER else {template}
    count = outbox.count_messages_since(recipient, clock.now() - WINDOW, templates)
    return count < LIMITS_BY_TEMPLATE.get(template, MAX_PER_WINDOW)


def enqueue_limited(message: MessageRequest, context: RequestContext) -> bool:
    """Write a message to the outbox if the recipient has quota left; return whether it was.

    Runs in the current transaction.
    """
    if not has_quota(message.recipient, message.template):
        return False
    outbox.put(message, context)
    return True
