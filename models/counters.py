"""Tables that limit and repeat requests: counters, used answers, stored responses."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.database.session import Base, UTCDateTime
from models.columns import DIGEST


class FailedAttemptCounter(Base):
    """Consecutive wrong passwords for one account: from one device, one IP prefix, or in total.

    Its key is a keyed digest, computed in the same way for accounts that do not exist.
    """

    __tablename__ = "failed_attempts"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    failures: Mapped[int]
    blocked_until: Mapped[datetime] = mapped_column(UTCDateTime)
    """Until then no password is evaluated for the key."""
    last_attempt_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class CredentialStuffingCounter(Base):
    """Accounts with a recent wrong password, counted by IP prefix and by password.

    Its key is a keyed digest with a salt that changes with the time window. A row that marks an
    active alarm has the digest of the IP prefix, or of all of them.
    """

    __tablename__ = "credential_stuffing_counters"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    bitmap: Mapped[int] = mapped_column(BigInteger)
    """One of 62 bits for each account or IP prefix; several may share a bit."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class LimitCounter(Base):
    """A counter of messages to a recipient, or of a route's rate limit if there is no Redis.

    Its key is a digest.
    """

    __tablename__ = "limit_counters"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    hits: Mapped[int]
    expires_at: Mapped[float] = mapped_column(index=True)


class UsedCaptchaAnswer(Base):
    """A CAPTCHA answer that was used and must not work again. Its key is a digest."""

    __tablename__ = "used_captcha_answers"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class IdempotencyKey(Base):
    """The response to a request with an `Idempotency-Key` header; kept for a day.

    Its key is the keyed digest of the header's value, the route and the caller.
    """

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    body_digest: Mapped[str] = mapped_column(DIGEST)
    """Keyed with the header's value, which is not stored: a body can contain a password."""
    status: Mapped[int | None]
    response: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Two stored keys: the body without its tokens, and its tokens, each one encrypted."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
