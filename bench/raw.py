"""References without the service: a bcrypt verification, and a refresh's SQL by plain psycopg."""

import base64
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import bcrypt
import jwt
import psycopg

from bench.workers import Task
from gatehouse.core import crypto

COST = 12
SECRET = base64.b64encode(secrets.token_bytes(48))  # as long as a keyed prehash


@dataclass(frozen=True)
class RefreshToken:
    """Claims of a refresh token: user id, session id and token id."""

    sub: UUID
    sid: UUID
    jti: UUID


@dataclass(frozen=True)
class Recording:
    """SQL that the service executed to exchange a refresh token, and when."""

    recorded_at: datetime
    before: RefreshToken
    after: RefreshToken
    statements: Sequence[tuple[str, dict[str, Any]]]


def decode_refresh_token(refresh_token: str) -> RefreshToken:
    """Decode a refresh token without verifying it."""
    claims = jwt.decode(refresh_token, options={"verify_signature": False})
    return RefreshToken(UUID(claims["sub"]), UUID(claims["sid"]), UUID(claims["jti"]))


def bcrypt_worker(_worker: int) -> Task:
    """Return a task: one verification at the bcrypt cost of the service."""
    stored = bcrypt.hashpw(SECRET, bcrypt.gensalt(COST))
    return partial(bcrypt.checkpw, SECRET, stored)


@dataclass(frozen=True)
class PsycopgRefreshes:
    """Refreshes without the service: replays its statements for other sessions."""

    dsn: str
    recording: Recording
    tokens: Sequence[RefreshToken]
    workers: int

    def start_worker(self, worker: int) -> Task:
        """Return a task: a refresh of the worker's next session, on its own connection."""
        connection = psycopg.connect(self.dsn)
        tokens = deque(self.tokens[worker :: self.workers])
        return partial(self._refresh, connection, tokens)

    def _refresh(self, connection: psycopg.Connection[Any], tokens: deque[RefreshToken]) -> None:
        """Execute the recorded statements in one transaction, with replaced values."""
        token = tokens.popleft()
        child = RefreshToken(token.sub, token.sid, crypto.new_id())
        values = _ReplayedValues(self.recording, token, child)
        with connection.transaction(), connection.cursor() as cursor:
            for statement, recorded in self.recording.statements:
                cursor.execute(statement, {name: values[one] for name, one in recorded.items()})
                if cursor.description:
                    cursor.fetchall()
        tokens.append(child)


class _ReplayedValues:
    """Maps values of the recorded refresh to those of this one: other ids, later times."""

    def __init__(self, recording: Recording, token: RefreshToken, child: RefreshToken) -> None:
        self.time_offset = datetime.now(UTC) - recording.recorded_at
        self.ids = dict(zip(vars(recording.before).values(), vars(token).values(), strict=True))
        self.ids[recording.after.jti] = child.jti

    def __getitem__(self, recorded: Any) -> Any:
        if isinstance(recorded, datetime):
            return recorded + self.time_offset
        if isinstance(recorded, UUID):
            return self.ids.get(recorded) or crypto.new_id()  # of the audit event
        return recorded
