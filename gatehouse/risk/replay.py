"""Replay recorded logins with another policy, to compare its decisions."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_

from gatehouse.audit import events
from gatehouse.database.session import db
from gatehouse.risk import policy as risk_policy
from gatehouse.risk.engine import FACTS, HISTORY_LENGTH, RiskEngine
from gatehouse.risk.policy import Decision, Policy
from gatehouse.risk.signal import Login
from models import AuditEvent

BATCH_SIZE = 1000  # rows per query
DECISION_EVENTS = (events.Risk.ASSESSED.name, events.Risk.REFUSED.name)
REPLAYED_EVENTS = (events.Login.SUCCEEDED.name, *DECISION_EVENTS)
COLUMNS = (
    AuditEvent.user_id,
    AuditEvent.at,
    AuditEvent.id,
    AuditEvent.name,
    AuditEvent.ip_address,
    AuditEvent.user_agent,
    AuditEvent.details,
)
CURSOR = tuple_(AuditEvent.user_id, AuditEvent.at, AuditEvent.id)


@dataclass(frozen=True)
class Outcome:
    """A recorded login, and the decision of both policies."""

    at: datetime
    user_id: UUID
    before: Decision
    after: Decision
    reasons: Mapping[str, str]
    """The explanations of the signals that caused the stricter decision, by signal."""


def replay_logins(engine: RiskEngine, policy: Policy, since: datetime) -> Iterator[Outcome]:
    """Yield every login since a time, by user and oldest first.

    Both decisions are computed from the recorded facts, so that only the policies differ.
    """
    for _user_id, recorded in groupby(_recorded_events(), key=lambda row: row.user_id):
        history: deque[Login] = deque(maxlen=HISTORY_LENGTH)
        for row in recorded:
            if row.name not in DECISION_EVENTS:
                history.appendleft(engine.build_login(row.at, row.ip_address, row.user_agent))
            elif row.at >= since:
                yield _reassess(engine, policy, row, tuple(history))


def _reassess(engine: RiskEngine, policy: Policy, row: Any, history: tuple[Login, ...]) -> Outcome:
    facts = {name: row.details.get("facts", {}).get(name) for name in FACTS}
    attempt = replace(engine.build_attempt(row.at, row.ip_address, row.user_agent), **facts)
    assessment = engine.assess(attempt, history)
    after = risk_policy.strictest_decision(policy, assessment.findings)
    deciding = policy if after >= assessment.decision else engine.policy
    decisive = max(after, assessment.decision)
    reasons = {
        name: explanation
        for name, explanation in assessment.findings.items()
        if deciding.get(name) == decisive
    }
    return Outcome(row.at, row.user_id, assessment.decision, after, reasons)


def _recorded_events() -> Iterator[Row[object]]:
    """Yield the recorded events of logins, by user and time; a decision precedes its login."""
    rows = select(*COLUMNS).where(
        AuditEvent.name.in_(REPLAYED_EVENTS), AuditEvent.user_id.is_not(None)
    )
    rows = rows.order_by(AuditEvent.user_id, AuditEvent.at, AuditEvent.id).limit(BATCH_SIZE)
    batch = db.session.execute(rows).all()
    while batch:
        yield from batch
        last = batch[-1]
        further = rows.where((last.user_id, last.at, last.id) < CURSOR)
        batch = db.session.execute(further).all()
