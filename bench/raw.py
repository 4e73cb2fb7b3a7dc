"""The work below the service: a bcrypt verification, and the rows of a refresh by plain psycopg."""

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

from bench.lanes import Work
from gatehouse.core import crypto

COST = 12
SECRET = base64.b64encode(secrets.token_bytes(48))  # as long as a keyed prehash


@dataclass(frozen=True)
class Current:
    """The refresh token of a session: whose, which session, and its own id."""

    sub: UUID
    sid: UUID
    jti: UUID


@dataclass(frozen=True)
class Recording:
    """What the service executed to exchange one token for another, and when."""

    at: datetime
    before: Current
    after: Current
    statements: Sequence[tuple[str, dict[str, Any]]]


def current(refresh_token: str) -> Current:
    """Read a refresh token, believing it."""
    claims = jwt.decode(refresh_token, options={"verify_signature": False})
    return Current(UUID(claims["sub"]), UUID(claims["sid"]), UUID(claims["jti"]))


def bcrypt_lane(_lane: int) -> Work:
    """Return one verification at the cost of the service."""
    stored = bcrypt.hashpw(SECRET, bcrypt.gensalt(COST))
    return partial(bcrypt.checkpw, SECRET, stored)


@dataclass(frozen=True)
class Rows:
    """Refreshes without the service: its statements again, for other sessions."""

    dsn: str
    recording: Recording
    tokens: Sequence[Current]
    lanes: int

    def lane(self, lane: int) -> Work:
        """Return one refresh of the lane's next session, on a connection of its own."""
        connection = psycopg.connect(self.dsn)
        tokens = deque(self.tokens[lane :: self.lanes])
        return partial(self._refresh, connection, tokens)

    def _refresh(self, connection: psycopg.Connection[Any], tokens: deque[Current]) -> None:
        """Write and read in one transaction what the recorded refresh did."""
        token = tokens.popleft()
        child = Current(token.sub, token.sid, crypto.new_id())
        values = _Values(self.recording, token, child)
        with connection.transaction(), connection.cursor() as cursor:
            for statement, recorded in self.recording.statements:
                cursor.execute(statement, {name: values[one] for name, one in recorded.items()})
                if cursor.description:
                    cursor.fetchall()
        tokens.append(child)


class _Values:
    """What stands in this refresh for a value of the recorded one: other ids, later times."""

    def __init__(self, recording: Recording, token: Current, child: Current) -> None:
        self.later = datetime.now(UTC) - recording.at
        self.ids = dict(zip(vars(recording.before).values(), vars(token).values(), strict=True))
        self.ids[recording.after.jti] = child.jti

    def __getitem__(self, recorded: Any) -> Any:
        if isinstance(recorded, datetime):
            return recorded + self.later
        if isinstance(recorded, UUID):
            return self.ids.get(recorded) or crypto.new_id()  # of the audit's row
        return recorded
