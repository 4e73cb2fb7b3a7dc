"""Hourly message limits per recipient; the client never learns that a limit was reached.

Codes are counted when they are requested, whether or not they are sent, so that an unknown
recipient is limited like a known one. Notifications are counted in the outbox.
"""

from datetime import timedelta

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import db
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.rate_limit_storage import DatabaseCounters
from gatehouse.web.request_context import RequestContext

WINDOW = timedelta(hours=1)
MAX_PER_WINDOW = 3
"""Messages of one template to one recipient; each template has its own count."""
NETWORKS_PER_WINDOW = 3
"""How many networks may use up their limits of a message that any client can cause."""
LIMITS_BY_TEMPLATE = {"notice_lockout": 1, "notice_attempts": 1, "factor_code": 10}
LIMITS_BY_TEMPLATE |= {"sms_factor": 10}
"""Factor codes are sent after the first factor only, so only the user can use their quota up."""
UNLIMITED_TEMPLATES = {"notice_mfa_reset", "notice_account_deleted"}
"""Their links are the user's way to object, and no stranger can cause them."""


def count_message(canonical: str, template: str, network: str) -> bool:
    """Count a message that a client causes, sent or not; return whether the limits allow it.

    Each network has the limit for itself, up to a total: a stranger leaves the rest of the total to
    others. Commands, which have no network, count as one. A window starts with its first message.
    Needs the lock of the recipient.
    """
    mailbox = mailbox_of(canonical)
    if limit := LIMITS_BY_TEMPLATE.get(template):
        return _count(template, mailbox) <= limit
    if _count(template, f"{mailbox}\0{network}") > MAX_PER_WINDOW:
        return False
    return _count(template, mailbox) <= MAX_PER_WINDOW * NETWORKS_PER_WINDOW


def mailbox_of(canonical: str) -> str:
    """Return an address without its sub-address (RFC 5233): `a+1@` and `a+2@` are one mailbox.

    Whether a domain has sub-addresses is unknown; where it has none, few addresses have a `+`.
    """
    local_part, at, domain = canonical.rpartition("@")
    return f"{local_part.partition('+')[0] or local_part}{at}{domain}" if at else canonical


def _count(template: str, counted: str) -> int:
    key = crypto.keyed_digest(f"{crypto_labels.RECIPIENT_LIMIT_PREFIX}{template}", counted)
    return increment_counter(key, int(WINDOW.total_seconds()))


def increment_counter(key: str, window_seconds: int) -> int:
    """Increment a counter in the current transaction; return its count in this window."""
    now = clock.now().timestamp()
    row = {"key": key, "amount": 1, "now": now, "expires_at": now + window_seconds}
    count: int = db.session.execute(DatabaseCounters.INCREMENT_COUNTER, row).scalar_one()
    return count


def has_quota(recipient: str, template: str) -> bool:
    """Return whether one more message of a template may be sent to a recipient."""
    if template in UNLIMITED_TEMPLATES:
        return True
    count = outbox.count_messages_since(recipient, clock.now() - WINDOW, {template})
    return count < LIMITS_BY_TEMPLATE.get(template, MAX_PER_WINDOW)


def enqueue_limited(message: MessageRequest, context: RequestContext) -> bool:
    """Write a message to the outbox if the recipient has quota left; return whether it was.

    Runs in the current transaction.
    """
    if not has_quota(message.recipient, message.template):
        return False
    outbox.put(message, context)
    return True
