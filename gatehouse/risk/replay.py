"""Weighs recorded logins again, by another policy: what it would have done."""

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
from gatehouse.risk.engine import FACTS, MOST, Risk
from gatehouse.risk.policy import Decision, Policy
from gatehouse.risk.signal import Login
from models import AuditEvent

BATCH = 1000  # rows: each query is short, however much was recorded
WEIGHED = (events.Risk.JUDGED.name, events.Risk.REFUSED.name)
READ = (events.Login.SUCCEEDED.name, *WEIGHED)
COLUMNS = (
    AuditEvent.user_id,
    AuditEvent.at,
    AuditEvent.id,
    AuditEvent.name,
    AuditEvent.address,
    AuditEvent.user_agent,
    AuditEvent.details,
)
PLACE = tuple_(AuditEvent.user_id, AuditEvent.at, AuditEvent.id)


@dataclass(frozen=True)
class Outcome:
    """A recorded login, and what two policies make of it."""

    at: datetime
    user_id: UUID
    before: Decision
    after: Decision
    reasons: Mapping[str, str]
    """The sentences of the signals that the stricter of the two decisions rests on."""


def replay(risk: Risk, policy: Policy, since: datetime) -> Iterator[Outcome]:
    """Yield every login since a moment, person by person, the oldest first.

    Both decisions are made anew from the recorded facts, so that they differ by the policy alone.
    """
    for _user_id, recorded in groupby(_recorded(), key=lambda row: row.user_id):
        history: deque[Login] = deque(maxlen=MOST)
        for row in recorded:
            if row.name not in WEIGHED:
                history.appendleft(risk.login(row.at, row.address, row.user_agent))
            elif row.at >= since:
                yield _again(risk, policy, row, tuple(history))


def _again(risk: Risk, policy: Policy, row: Any, history: tuple[Login, ...]) -> Outcome:
    facts = {name: row.details.get("facts", {}).get(name) for name in FACTS}
    attempt = replace(risk.attempt(row.at, row.address, row.user_agent), **facts)
    judged = risk.judge(attempt, history)
    after = risk_policy.strictest(policy, judged.findings)
    deciding = policy if after >= judged.decision else risk.policy
    decisive = max(after, judged.decision)
    reasons = {
        name: sentence
        for name, sentence in judged.findings.items()
        if deciding.get(name) == decisive
    }
    return Outcome(row.at, row.user_id, judged.decision, after, reasons)


def _recorded() -> Iterator[Row[Any]]:
    """Yield what was recorded of logins, by person and time; a decision before its login."""
    rows = select(*COLUMNS).where(AuditEvent.name.in_(READ), AuditEvent.user_id.is_not(None))
    rows = rows.order_by(AuditEvent.user_id, AuditEvent.at, AuditEvent.id).limit(BATCH)
    batch = db.session.execute(rows).all()
    while batch:
        yield from batch
        last = batch[-1]
        further = rows.where((last.user_id, last.at, last.id) < PLACE)
        batch = db.session.execute(further).all()
