"""The refresh tokens of a session: issue and rotate the current one, recognize used ones.

Of each token only the id (`jti`) is stored. `Session.used_tokens` lists those that were used within
the reuse interval, the predecessor of the current one first. Entries have a fixed width (32 hex
digits of the id, 16 digits of its first use in Unix microseconds), so that SQL can prepend one.
"""

from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import config
from gatehouse.core import clock, crypto
from models import OAuthGrant, Session

TokenHolder: TypeAlias = Session | OAuthGrant
"""What has one current refresh token; grants of clients follow the same rules."""
ENTRY_LENGTH = 48
MAX_LENGTH = 20 * ENTRY_LENGTH
"""More rotations within one reuse interval are not remembered: older tokens count as stolen."""


def issue_token(session: Session, now: datetime) -> None:
    """Give a session its next refresh token, which expires at the session's idle limit."""
    session.current_token_id, session.token_issued_at = crypto.new_id(), now
    session.idle_at = min(now + config.settings().session_idle_timeout, session.expires_at)


def rotate_token(session: Session, now: datetime) -> None:
    """Mark the current token of a session as used, and issue the next one."""
    if session.current_token_id:
        kept = session.used_tokens if is_issued_recently(session, now) else ""
        session.used_tokens = (format_use(session.current_token_id, now) + kept)[:MAX_LENGTH]
    issue_token(session, now)


def is_reusable(session: TokenHolder, token_id: UUID, now: datetime) -> bool:
    """Return whether a used token is still within its reuse interval, which its first use starts.

    Where clocks differ, the time since then may be negative.
    """
    used_at = _parse_uses(session.used_tokens).get(token_id.hex)
    interval = config.settings().refresh_reuse_interval
    return bool(interval) and used_at is not None and used_at > _microseconds(now - interval)


def is_issued_recently(session: Session, now: datetime) -> bool:
    """Return whether the current token was issued within the reuse interval.

    If not, then all used tokens were used before.
    """
    issued_at = session.token_issued_at
    return issued_at is not None and issued_at > reuse_interval_start(now)


def is_predecessor(session: Session, token_id: UUID) -> bool:
    """Return whether the current token of a session replaced this one."""
    return session.used_tokens.startswith(token_id.hex)


def reuse_interval_start(now: datetime) -> datetime:
    """Return the time since when a used token may have been used to be accepted again."""
    return now - config.settings().refresh_reuse_interval


def format_use(token_id: UUID, used_at: datetime) -> str:
    """Return the entry of a token in `Session.used_tokens`."""
    return f"{token_id.hex}{_microseconds(used_at):016d}"


def _parse_uses(used_tokens: str) -> dict[str, int]:
    starts = range(0, len(used_tokens), ENTRY_LENGTH)
    entries = [used_tokens[start : start + ENTRY_LENGTH] for start in starts]
    return {entry[:32]: int(entry[32:]) for entry in entries}


def _microseconds(time: datetime) -> int:
    return (time - clock.UNIX_EPOCH) // timedelta(microseconds=1)
