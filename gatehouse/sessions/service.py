"""Sessions: open, refresh, detect reuse, list, end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import roles
from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound
from gatehouse.database.session import db, take_turns, writing
from gatehouse.database.statements import add_together, run
from gatehouse.sessions import assurance, risk, step_up
from gatehouse.sessions.errors import RefreshTokenReused, SessionEnded, SessionRefused
from gatehouse.tokens import revocation
from gatehouse.tokens import service as tokens
from gatehouse.tokens import status_list as status_lists
from gatehouse.users import service as users
from gatehouse.users.service import Person
from gatehouse.web.request_context import Visitor
from models import RefreshToken, Session, StatusEntry, User

USED_KEPT = timedelta(minutes=5)
"""Longer than any grace; a used token without a row is as used as one with it."""
MOST = 50
"""Sessions of one person; the oldest makes room."""
TOO_MANY = (
    select(Session.id)
    .where(Session.user_id == bindparam("user_id"), Session.ended_at.is_(None))
    .where(Session.expires_at > bindparam("now"), Session.idle_at > bindparam("now"))
    .order_by(Session.id.desc())
    .offset(bindparam("kept"))
)


@dataclass(frozen=True)
class Tokens:
    """What a client gets: an access token, the session's refresh token, and who signed in."""

    session_id: UUID
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    user: dict[str, Any]
    device_token: str | None = None
    """Of a completed login only; a refresh brings none."""
    token_type: str = "Bearer"  # noqa: S105 - the name of the kind, RFC 6750 section 6.1.1


def open_session(person: Person, amr: Sequence[str], visitor: Visitor) -> Tokens:
    """Open a session in the current transaction. Only `login.service` may: it asks the gates."""
    user_id = person.user.id
    take_turns(f"sessions:{user_id}")
    _make_room(user_id, visitor)
    now, settings = clock.now(), config.settings()
    session = Session(id=crypto.new_id(), user_id=user_id)
    session.created_at = session.last_seen_at = now
    step_up.prove(session, assurance.combine(amr), now)
    session.expires_at = now + settings.session_lifetime
    session.address, session.user_agent = visitor.address, visitor.user_agent
    current = _next_token(session, now)
    position = add_together(session, current, StatusEntry(session_id=session.id))
    return _answer(session, current, person, position)


def refresh(encoded: str, visitor: Visitor) -> Tokens:
    """Exchange a refresh token for its child.

    Presented twice within the grace it yields the session's current token again, so that tabs and
    lost answers log nobody out; any later second use is theft (RFC 9700 section 4.14.2).

    Raises:
        SessionEnded: the session was ended, or has reached a limit.
        SessionRefused: the policy does not let it go on from there.
        RefreshTokenReused: the token was used before; the session is ended.
    """
    token = tokens.verify_refresh(encoded)
    now = clock.now()
    with writing():
        session, person, position = _locked(token)
        if person.user.disabled_at or not _alive(session, now):
            raise SessionEnded(session_id=session.id)
        _fall_back(session, person, now, visitor)
        current = _successor(session, UUID(token.jti), now, visitor)
        _weigh(session, person, visitor)
        session.last_seen_at, session.address = now, visitor.address
        session.user_agent = visitor.user_agent
    return _answer(session, current, person, position)


def prove_again(caller: tokens.AccessToken, amr: Sequence[str], visitor: Visitor) -> Tokens:
    """Note in a session that its person proved something just now, in the current transaction.

    It keeps its id; its refresh token is used up, as if it had been exchanged (ASVS V7.2.4).

    Raises:
        SessionEnded: the session was ended, or has reached a limit.
    """
    session, person, position = _locked(caller)
    now = clock.now()
    if person.user.disabled_at or not _alive(session, now):
        raise SessionEnded(session_id=session.id)
    step_up.prove_too(session, amr, now)
    session.last_seen_at = now
    _current(session).used_at = now
    return _answer(session, _issue(session, now), person, position)


def require_live(session_id: UUID) -> None:
    """Return if a session goes on.

    Raises:
        SessionEnded: it does not.
    """
    session = db.session.get(Session, session_id)
    if session is None or not _alive(session, clock.now()):
        raise SessionEnded(session_id=session_id)


def live(user_id: UUID) -> list[Session]:
    """Return the person's sessions that go on, newest first."""
    rows = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    now = clock.now()
    rows = rows.where(Session.expires_at > now, Session.idle_at > now)
    return list(db.session.scalars(rows.order_by(Session.id.desc())))


def end(session_id: UUID, reason: str, visitor: Visitor) -> None:
    """End a session in the current transaction: all its tokens are dead."""
    session = step_up.locked(session_id)
    if session is None or session.ended_at:
        return
    session.ended_at, session.end_reason = clock.now(), reason
    db.session.execute(delete(RefreshToken).where(RefreshToken.session_id == session_id))
    revocation.revoke(session_id)
    about = {"user_id": session.user_id, "session_id": session_id}
    record(events.Session.ENDED, visitor, **about, reason=reason)


def end_own(user_id: UUID, session_id: UUID, visitor: Visitor) -> None:
    """End one of the person's own sessions.

    Raises:
        NotFound: there is none of this id, or it is somebody else's.
    """
    with writing():
        if session_id not in [session.id for session in live(user_id)]:
            raise NotFound
        end(session_id, "ended_by_user", visitor)


def end_all(user_id: UUID, reason: str, visitor: Visitor, keep: UUID | None = None) -> None:
    """End the person's sessions, in the current transaction, but for the one to keep."""
    for session in live(user_id):
        if session.id != keep:
            end(session.id, reason, visitor)


def purge(before: datetime) -> None:
    """Delete the sessions that ended, or would have ended, before a moment, and used tokens."""
    over = (Session.expires_at < before) | (Session.ended_at < before)
    db.session.execute(delete(Session).where(over))
    db.session.execute(delete(RefreshToken).where(RefreshToken.used_at < clock.now() - USED_KEPT))


def _make_room(user_id: UUID, visitor: Visitor) -> None:
    for session in run(TOO_MANY, user_id=user_id, now=clock.now(), kept=MOST - 1):
        end(session.id, "too_many_sessions", visitor)


def _fall_back(session: Session, person: Person, now: datetime, visitor: Visitor) -> None:
    """Lower a session whose second factor is too long ago.

    Raises:
        SessionEnded: where the policy wants one, the session is over.
    """
    if session.raised_at is None or step_up.is_raised(session, now):
        return
    if assurance.is_mfa_required(person.profile["roles"]):
        refusal = SessionEnded(session_id=session.id)
        refusal.aftermath = partial(end, session.id, "second_factor_too_old", visitor)
        raise refusal
    step_up.lower(session)


def _weigh(session: Session, person: Person, visitor: Visitor) -> None:
    try:
        risk.weigh(session, person, visitor)
    except SessionRefused as refusal:
        refusal.aftermath = partial(end, session.id, "risk", visitor)
        raise


def _alive(session: Session, now: datetime) -> bool:
    return session.ended_at is None and now < session.idle_at and now < session.expires_at


def _locked(token: tokens.RefreshToken | tokens.AccessToken) -> tuple[Session, Person, int | None]:
    """Read a session, its person and its place in the status lists; lock the session's row.

    Raises:
        SessionEnded: the session, or the account, is gone.
    """
    rows = select(Session, StatusEntry.position, User, roles.given_roles(User.id)).join(User)
    rows = rows.outerjoin(StatusEntry, StatusEntry.session_id == Session.id)
    mine = rows.where(Session.id == UUID(token.sid), Session.user_id == UUID(token.sub))
    found = db.session.execute(mine.with_for_update(of=Session)).one_or_none()
    if found is None:
        raise SessionEnded
    return found[0], users.person(found[2], found[3]), found[1]


def _successor(session: Session, jti: UUID, now: datetime, visitor: Visitor) -> RefreshToken:
    """Return the token that the client shall have from now on; the session's row is locked.

    The presented token is read after the lock was got: a join would show it as it was before.
    """
    grace = config.settings().refresh_grace
    about = {"user_id": session.user_id, "session_id": session.id}
    mine = select(RefreshToken).where(RefreshToken.id == jti)
    presented = db.session.scalar(mine.where(RefreshToken.session_id == session.id))
    if presented is None or (presented.used_at and _is_late(now - presented.used_at, grace)):
        theft = partial(_end_stolen, session.id, visitor)
        raise RefreshTokenReused(session.user_id, session.id, theft)
    if presented.used_at:
        record(events.Session.REPEATED, visitor, **about)
        return _current(session)
    presented.used_at = now
    record(events.Session.REFRESHED, visitor, **about)
    return _issue(session, now)


def _is_late(age: timedelta, grace: timedelta) -> bool:
    """Tell whether a used token came too late; where clocks differ its age may be negative."""
    return not grace or age >= grace


def _end_stolen(session_id: UUID, visitor: Visitor) -> None:
    with writing():
        end(session_id, "refresh_token_reused", visitor)


def _current(session: Session) -> RefreshToken:
    unused = RefreshToken.used_at.is_(None)
    rows = select(RefreshToken).where(RefreshToken.session_id == session.id, unused)
    return db.session.scalars(rows).one()


def _issue(session: Session, now: datetime) -> RefreshToken:
    """Write the session's next refresh token."""
    token = _next_token(session, now)
    db.session.add(token)
    return token


def _next_token(session: Session, now: datetime) -> RefreshToken:
    """Make it; it lives for the idle limit, within the session."""
    ends = session.idle_at = min(now + config.settings().session_idle, session.expires_at)
    about = {"session_id": session.id, "issued_at": now, "expires_at": ends}
    return RefreshToken(id=crypto.new_id(), **about)


def _answer(
    session: Session, current: RefreshToken, person: Person, position: int | None
) -> Tokens:
    """Sign the tokens; the access token never outlives its session."""
    profile, now = person.profile, clock.now()
    expires_at = min(now + config.settings().access_token_lifetime, session.expires_at)
    if session.raised_at:
        expires_at = min(expires_at, session.raised_at + assurance.LONGEST)
    claims = {
        "sid": str(session.id),
        "jti": str(crypto.new_id()),
        "auth_time": int(session.authenticated_at.timestamp()),
        "amr": session.amr,
        "acr": session.acr,
        "roles": profile["roles"],
        "scope": "",
        **status_lists.claim(position),
    }
    refresh_token = tokens.RefreshToken(profile["id"], claims["sid"], str(current.id))
    return Tokens(
        session_id=session.id,
        access_token=tokens.sign_access(profile["id"], claims, expires_at),
        refresh_token=tokens.sign_refresh(refresh_token, current.issued_at, current.expires_at),
        expires_in=int((expires_at - now).total_seconds()),
        refresh_expires_in=int((current.expires_at - now).total_seconds()),
        user=profile,
    )
