"""Redeem a code or a link: verify it, and consume it once.

Attempts at codes are counted per account by `users.counted_attempts`.
"""

from uuid import UUID

from gatehouse.one_time_codes import service as store
from gatehouse.one_time_codes.channel import CHANNELS, CodeChannel
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.one_time_codes.stored_data import CodeData
from models import OneTimeCode


def verify_code(code_type: CodeType, subject: str, code: str) -> OneTimeCode:
    """Return the row of a code, within `counted_attempts.count_code_attempt`.

    Raises:
        InvalidCode: no code of the subject matches, or its attempts are used up.
    """
    return store.verify_code(code_type.purpose, subject, code)


def find_account(code_type: CodeType, token: str) -> UUID | str:
    """Return the account that attempts count for, of a code whose subject is a token.

    All routes count per account; a count of its own would reveal that a code was not sent.

    Raises:
        InvalidCode: nothing is pending; raised as the error of the type.
    """
    pending = store.list_pending(code_type.purpose, token)
    if not pending:
        raise code_type.error
    return pending[0].user_id or store.load_data(pending[0], CodeData).recipient


def channel_of(row: OneTimeCode) -> CodeChannel:
    """Return the channel that a code was sent by."""
    return CHANNELS[store.load_data(row, CodeData).channel]


def find_link(code_type: CodeType, token: str) -> OneTimeCode:
    """Return the row of a link.

    Raises:
        InvalidCode: the link is wrong, has expired or was used before; raised as the type's error.
    """
    row = store.find_by_token(code_type.purpose, token)
    if row is None:
        raise code_type.error
    return row


def find_by_id(code_type: CodeType, code_id: UUID, code: str) -> OneTimeCode:
    """Return the row of an id, if this is its code; the caller counts the attempt.

    Raises:
        ApiError: it is no longer pending; the error of the type.
        InvalidCode: the code does not match.
    """
    row = store.find_by_id(code_type.purpose, code_id)
    if row is None:
        raise code_type.error
    if not store.is_code_of(row, code):
        raise InvalidCode
    return row


def consume(code_type: CodeType, row: OneTimeCode) -> None:
    """Mark a code or link as used, in the current write transaction.

    Raises:
        InvalidCode: it was used before, perhaps by a concurrent request; as the type's error.
    """
    try:
        store.consume(row.id)
    except InvalidCode:
        raise code_type.error(user_id=row.user_id) from None
    data = store.load_data(row, CodeData)
    if data.recipient:
        CHANNELS[data.channel].record_conversion(data.recipient)
