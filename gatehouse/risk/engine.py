"""Weighs a login, and a session that moved: gathers what is known, asks the signals, decides.

Only who has proved who they are is weighed, so nothing here tells an account from none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import ColumnElement, bindparam, literal_column, select, true

import config
from gatehouse.core import clock, plugins
from gatehouse.database.session import db
from gatehouse.database.statements import read_all
from gatehouse.devices import service as devices
from gatehouse.lockout import credential_stuffing
from gatehouse.risk import policy as risk_policy
from gatehouse.risk.geoip import Atlas, Place
from gatehouse.risk.network_list import Networks
from gatehouse.risk.policy import Decision, Policy
from gatehouse.risk.signal import Attempt, History, Login, Signal
from gatehouse.web.request_context import Visitor, site_of
from gatehouse.web.user_agent import is_same_program
from models import AuditEvent

SHELF = "gatehouse.risk.signals"
MOST = 50  # logins of a history
FACTS = ("device_known", "failures", "strangers", "breached", "raised")
"""Of an attempt: written down with the decision, so that it can be weighed again (`replay`)."""

HISTORY_EVENT: ColumnElement[str] = literal_column("'login.succeeded'")
"""What a history is made of. A session that goes on proves nothing, so it teaches nothing."""
_recent = (
    select(AuditEvent.at, AuditEvent.address, AuditEvent.user_agent)
    .where(AuditEvent.user_id == bindparam("user_id"))
    .where(AuditEvent.name == HISTORY_EVENT)  # as its partial index says
    .order_by(AuditEvent.at.desc())
    .limit(MOST)
    .subquery()
)
HISTORY = select(_recent).order_by(_recent.c.at.desc())
_device = devices.known(bindparam("user_id")).label("device_id")
_told = select(_device, credential_stuffing.raised().label("raised")).subquery()
SEEN = (
    select(_told, _recent)
    .select_from(_told.outerjoin(_recent, true()))
    .order_by(_recent.c.at.desc())
)


@dataclass(frozen=True)
class Judgement:
    """What was decided about a login, and why."""

    decision: Decision
    findings: Mapping[str, str]
    """The sentence of each signal that found something."""
    facts: Mapping[str, Any]
    """Those of FACTS that were known."""

    @property
    def details(self) -> dict[str, Any]:
        """What the audit event says."""
        found = {"decision": self.decision.word, "findings": dict(self.findings)}
        return found | {"facts": dict(self.facts)}

    @property
    def asks_second_factor(self) -> bool:
        """Whether a second factor is asked, on a remembered device as well."""
        return self.decision is Decision.ASK_SECOND_FACTOR

    @property
    def asks_captcha(self) -> bool:
        """Whether it goes on with a solved CAPTCHA only."""
        return self.decision is Decision.CAPTCHA


@dataclass(frozen=True)
class Seen:
    """What is known about a login before it is weighed."""

    attempt: Attempt
    history: History


@dataclass(frozen=True)
class LastUse:
    """Where, when and with what a session was used before it goes on."""

    at: datetime
    address: str
    user_agent: str


@dataclass(frozen=True)
class Risk:
    """What the operator chose, read once at the start."""

    policy: Policy
    signals: Mapping[str, Signal]
    atlas: Atlas | None = None
    listed: Networks = field(default_factory=lambda: Networks(()))

    def judge(self, attempt: Attempt, history: History) -> Judgement:
        """Weigh a login; pure."""
        found = {name: piece.score(attempt, history) for name, piece in self.signals.items()}
        findings = {name: finding.sentence for name, finding in found.items() if finding}
        facts = {name: getattr(attempt, name) for name in FACTS}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        return Judgement(risk_policy.strictest(self.policy, findings), findings, known)

    def attempt(self, at: datetime, address: str, user_agent: str) -> Attempt:
        """Return what an address and a user agent tell of an attempt."""
        listed, place = self.listed.holding(address), self.place(address)
        return Attempt(at, site_of(address), user_agent, place, listed=listed)

    def login(self, at: datetime, address: str, user_agent: str) -> Login:
        """Return what they tell of an earlier login."""
        return Login(at, site_of(address), user_agent, self.place(address))

    def place(self, address: str) -> Place | None:
        """Return where an address is, as far as the operator's file knows."""
        return self.atlas.find(address) if self.atlas else None


def set_up(app: Flask) -> None:
    """Read what the operator chose.

    Raises:
        ConfigurationError: a file of it cannot be used.
    """
    settings = config.settings()
    signals = plugins.load(SHELF, plugins.names(SHELF))
    policy = policy_of(settings.risk_policy, "GATEHOUSE_RISK_POLICY")
    atlas = _atlas(settings.geoip) if settings.geoip else None
    app.extensions["gatehouse.risk"] = Risk(policy, signals, atlas, Networks(settings.bad_networks))


def in_force() -> Risk:
    """Return what is in force in the running application."""
    return cast(Risk, current_app.extensions["gatehouse.risk"])


def policy_of(path: str, name: str) -> Policy:
    """Read the policy of a file, or the shipped one where no file is named.

    Raises:
        ConfigurationError: it is none, with a sentence that begins with `name`.
    """
    try:
        text = Path(path).read_text() if path else risk_policy.shipped()
        return risk_policy.parse(text, plugins.names(SHELF))
    except (OSError, UnicodeDecodeError):
        raise config.ConfigurationError(f"{name} must name a readable text file.") from None
    except ValueError as problem:
        raise config.ConfigurationError(f"{name} {problem}") from None


def _atlas(path: str) -> Atlas:
    try:
        return Atlas(Path(path))
    except ValueError as problem:
        raise config.ConfigurationError(f"GATEHOUSE_GEOIP {problem}.") from None


def look(user_id: UUID, visitor: Visitor) -> Seen:
    """Gather what is known about a login, in one bounded statement outside any transaction."""
    about = devices.known_as(visitor) | credential_stuffing.raised_for(visitor.site)
    rows = read_all(SEEN, user_id=user_id, **about)
    attempt = in_force().attempt(clock.now(), visitor.address, visitor.user_agent)
    known, raised = rows[0].device_id is not None, bool(rows[0].raised)
    return Seen(replace(attempt, device_known=known, raised=raised), _history(rows))


def judge(seen: Seen, **facts: Any) -> Judgement:
    """Weigh a login; `facts` are what else is known of the attempt, such as `failures`."""
    return in_force().judge(replace(seen.attempt, **facts), seen.history)


def judge_move(user_id: UUID, last: LastUse, visitor: Visitor) -> Judgement | None:
    """Weigh a session that goes on, in the current transaction; None where nothing stands out.

    It is looked at more closely, by one statement, where the network, the country or the program
    is another one than before. A device is not asked for its token here, and a raised guard is
    about logins: else who raises it would end sessions of others.
    """
    if (last.address, last.user_agent) == (visitor.address, visitor.user_agent):
        return None
    risk = in_force()
    before = risk.login(last.at, last.address, last.user_agent)
    attempt = risk.attempt(clock.now(), visitor.address, visitor.user_agent)
    if not _has_moved(before, attempt):
        return None
    rows = db.session.execute(HISTORY, {"user_id": user_id}).all()
    judged = risk.judge(replace(attempt, before=before), (before, *_history(rows)))
    return judged if judged.findings else None


def _has_moved(before: Login, now: Attempt) -> bool:
    stays = before.network == now.network and _country(before) == _country(now)
    return not stays or not is_same_program(before.user_agent, now.user_agent)


def _country(seen: Login | Attempt) -> str:
    return seen.place.country if seen.place else ""


def _history(rows: Sequence[Any]) -> tuple[Login, ...]:
    """Return the earlier logins that rows of SEEN, or HISTORY, tell of."""
    risk, logins = in_force(), (row for row in rows if row.at)
    return tuple(risk.login(row.at, row.address, row.user_agent) for row in logins)
