"""Send a code or a link, or do the same work where nothing may be sent."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from gatehouse.core import clock, crypto_labels
from gatehouse.database.session import advisory_lock
from gatehouse.messaging import links, outbox, recipient_limits
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import locks
from gatehouse.one_time_codes import service as store
from gatehouse.one_time_codes.channel import CHANNELS, Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.service import CodeFormat, Secrets
from gatehouse.one_time_codes.stored_data import CodeData, StoredData
from gatehouse.web.request_context import RequestContext


@dataclass(frozen=True)
class CodeRequest:
    """A code to send, with what is stored with it."""

    code_type: CodeType
    subject: str
    """What it is found by when it is entered: a user's id, a token, an e-mail address."""
    recipient: Recipient
    user_id: UUID | None
    """The user that it belongs to; None if the recipient is unknown."""
    data: CodeData = field(default_factory=CodeData)
    is_eligible: bool = True
    """Whether the recipient may get it; otherwise only the same work is done."""


@dataclass(frozen=True)
class SentCode:
    """What became of a request for a code; the client never learns it."""

    id: UUID
    is_enqueued: bool
    """Whether the message was written to the outbox."""
    is_over_limit: bool
    """Whether the recipient got as many messages as allowed; older codes stay valid then."""


def send_code(request: CodeRequest, context: RequestContext) -> SentCode:
    """Create a code and send it, in the current write transaction.

    Takes the advisory lock of the user if older codes are deleted, then of the recipient. For an
    unknown recipient, one that is not eligible, or one over the limit, it does the same work with a
    code that does not exist.
    """
    code_type, recipient, user_id = request.code_type, request.recipient, request.user_id
    channel = CHANNELS[recipient.channel]
    if code_type.replaces_older:
        _lock_user(request)
    is_over_limit = not reserve_message(code_type, recipient, context.ip_prefix)
    is_real = user_id is not None and request.is_eligible and not is_over_limit
    if code_type.replaces_older and not is_over_limit:
        _delete_older(request)
    code_format = replace(channel.code_format(code_type), is_decoy=not is_real)
    secrets = _store_code(request, code_format, is_over_limit)
    message = build_message(code_type, recipient, secrets, clock.now() + code_format.lifetime)
    if is_real:
        return SentCode(secrets.id, channel.enqueue(message, context), is_over_limit)
    # over the limit no budget is charged, or a stranger could use up that of the owner's own codes
    enqueue_decoy = outbox.enqueue_decoy if is_over_limit else channel.enqueue_decoy
    enqueue_decoy(message, context)
    return SentCode(secrets.id, False, is_over_limit)


def create_link(code_type: CodeType, subject: str, data: StoredData) -> str:
    """Create a link in the current transaction, and return its URL; the caller sends it."""
    secrets = store.create(code_type.purpose, subject, data.to_json(), code_type.lifetime)
    return links.one_time_link(code_type.page, secrets.id, secrets.token)


def reserve_message(code_type: CodeType, recipient: Recipient, network: str) -> bool:
    """Lock a recipient, and count a message; return whether the hourly limit allows it.

    Counts the same for known and unknown recipients. The lock lasts until the transaction ends.
    """
    locks.lock_recipient(recipient.canonical)
    template = CHANNELS[recipient.channel].template(code_type)
    return recipient_limits.count_message(recipient.canonical, template, network)


def build_message(
    code_type: CodeType, recipient: Recipient, secrets: Secrets, expires_at: datetime
) -> MessageRequest:
    """Return the message that carries a code."""
    channel = CHANNELS[recipient.channel]
    variables: dict[str, object] = channel.build_variables(code_type, secrets, expires_at)
    template = channel.template(code_type)
    return MessageRequest(
        recipient.as_written, template, variables, recipient.locale, recipient.channel
    )


def _store_code(request: CodeRequest, code_format: CodeFormat, is_over_limit: bool) -> Secrets:
    """Store the code; over the limit, one that is expired where the older code stays valid."""
    purpose = request.code_type.purpose
    if request.code_type.replaces_older and is_over_limit:
        purpose, code_format = crypto_labels.DECOY, replace(code_format, lifetime=timedelta(0))
    data = _complete_data(request).to_json()
    return store.create_in_format(purpose, request.subject, data, code_format)


def _lock_user(request: CodeRequest) -> None:
    """Lock the user, or the unknown recipient in the user's place."""
    user_id, unknown = request.user_id, f"unknown:{request.recipient.canonical}"
    advisory_lock(locks.user_lock_key(user_id) if user_id else unknown)


def _delete_older(request: CodeRequest) -> None:
    """Delete the older codes of the user, or of the unknown recipient with the same statements."""
    if request.user_id:
        store.delete_for_user(request.user_id, request.code_type.purpose)
    else:
        store.delete_for_subject(request.code_type.purpose, request.subject)


def _complete_data(request: CodeRequest) -> CodeData:
    user_id = str(request.user_id) if request.user_id else None
    recipient = request.recipient
    return replace(
        request.data, user_id=user_id, channel=recipient.channel, recipient=recipient.canonical
    )
