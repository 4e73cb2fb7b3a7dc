"""Risk engine: gather the facts about a login or session, run the signals, and decide.

It runs only after authentication, so its results never disclose whether an account exists.
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
from gatehouse.database.statements import fetch_all
from gatehouse.devices import service as devices
from gatehouse.lockout import credential_stuffing
from gatehouse.risk import policy as risk_policy
from gatehouse.risk.geoip import GeoIpDatabase, GeoLocation
from gatehouse.risk.network_list import IpNetworkSet
from gatehouse.risk.policy import Decision, Policy
from gatehouse.risk.signal import Attempt, History, Login, Signal
from gatehouse.web.request_context import RequestContext, ip_prefix_of
from gatehouse.web.user_agent import is_same_program
from models import AuditEvent

PACKAGE = "gatehouse.risk.signals"
HISTORY_LENGTH = 50  # logins
FACTS = (
    "device_known",
    "failures_here",
    "failures_from_unknown_devices",
    "breached",
    "credential_stuffing",
)
"""Fields of `Attempt` that are recorded with the decision, for `risk.replay`."""

HISTORY_EVENT: ColumnElement[str] = literal_column("'login.succeeded'")
"""The event that a history consists of; use of a session is no authentication, so not part."""
_recent = (
    select(AuditEvent.at, AuditEvent.ip_address, AuditEvent.user_agent)
    .where(AuditEvent.user_id == bindparam("user_id"))
    .where(AuditEvent.name == HISTORY_EVENT)  # as in its partial index
    .order_by(AuditEvent.at.desc())
    .limit(HISTORY_LENGTH)
    .subquery()
)
SELECT_HISTORY = select(_recent).order_by(_recent.c.at.desc())
_device = devices.device_id_subquery(bindparam("user_id")).label("device_id")
_client_facts = select(
    _device, credential_stuffing.is_active_clause().label("credential_stuffing")
).subquery()
SELECT_CONTEXT = (
    select(_client_facts, _recent)
    .select_from(_client_facts.outerjoin(_recent, true()))
    .order_by(_recent.c.at.desc())
)


@dataclass(frozen=True)
class RiskAssessment:
    """The decision about a login or session, and its reasons."""

    decision: Decision
    findings: Mapping[str, str]
    """The explanation of each signal that found something, by its name."""
    facts: Mapping[str, object]
    """The known ones of FACTS."""

    @property
    def audit_details(self) -> dict[str, Any]:
        """The details of the audit event."""
        found = {"decision": self.decision.policy_name, "findings": dict(self.findings)}
        return found | {"facts": dict(self.facts)}

    @property
    def requires_second_factor(self) -> bool:
        """Whether a second factor is required, even on a trusted device."""
        return self.decision is Decision.ASK_SECOND_FACTOR

    @property
    def requires_captcha(self) -> bool:
        """Whether a solved CAPTCHA is required."""
        return self.decision is Decision.CAPTCHA


@dataclass(frozen=True)
class RiskContext:
    """The facts about a login before it is assessed."""

    attempt: Attempt
    history: History


@dataclass(frozen=True)
class LastUse:
    """The previous use of a session."""

    at: datetime
    ip_address: str
    user_agent: str


@dataclass(frozen=True)
class RiskEngine:
    """The operator's policy, signals and data files, loaded at startup."""

    policy: Policy
    signals: Mapping[str, Signal]
    geoip: GeoIpDatabase | None = None
    bad_networks: IpNetworkSet = field(default_factory=lambda: IpNetworkSet(()))

    def assess(self, attempt: Attempt, history: History) -> RiskAssessment:
        """Assess a login or session; a pure function."""
        scores = {name: signal.score(attempt, history) for name, signal in self.signals.items()}
        findings = {name: finding.explanation for name, finding in scores.items() if finding}
        facts = {name: getattr(attempt, name) for name in FACTS}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        return RiskAssessment(
            risk_policy.strictest_decision(self.policy, findings), findings, known
        )

    def build_attempt(self, at: datetime, ip_address: str, user_agent: str) -> Attempt:
        """Create an attempt with the facts derived from its IP address and user agent."""
        listed, location = self.bad_networks.match(ip_address), self.locate(ip_address)
        return Attempt(at, ip_prefix_of(ip_address), user_agent, location, listed_network=listed)

    def build_login(self, at: datetime, ip_address: str, user_agent: str) -> Login:
        """Create an earlier login with the facts derived from its IP address."""
        return Login(at, ip_prefix_of(ip_address), user_agent, self.locate(ip_address))

    def locate(self, ip_address: str) -> GeoLocation | None:
        """Return the location of an IP address, if the GeoIP database has it."""
        return self.geoip.locate(ip_address) if self.geoip else None


def set_up(app: Flask) -> None:
    """Load the risk engine from the settings.

    Raises:
        ConfigurationError: the policy or the GeoIP database cannot be used.
    """
    settings = config.settings()
    signals = plugins.load(PACKAGE, plugins.list_names(PACKAGE))
    policy = read_policy(settings.risk_policy, "GATEHOUSE_RISK_POLICY")
    geoip = _open_geoip(settings.geoip) if settings.geoip else None
    app.extensions["gatehouse.risk"] = RiskEngine(
        policy, signals, geoip, IpNetworkSet(settings.bad_networks)
    )


def current_engine() -> RiskEngine:
    """Return the risk engine of the running application."""
    return cast(RiskEngine, current_app.extensions["gatehouse.risk"])


def read_policy(path: str, name: str) -> Policy:
    """Read a policy file, or the default policy if `path` is empty.

    Raises:
        ConfigurationError: it is invalid; the message begins with `name`.
    """
    try:
        text = Path(path).read_text() if path else risk_policy.read_default_policy()
        return risk_policy.parse_policy(text, plugins.list_names(PACKAGE))
    except (OSError, UnicodeDecodeError):
        raise config.ConfigurationError(f"{name} must name a readable text file.") from None
    except ValueError as problem:
        raise config.ConfigurationError(f"{name} {problem}") from None


def _open_geoip(path: str) -> GeoIpDatabase:
    try:
        return GeoIpDatabase(Path(path))
    except ValueError as problem:
        raise config.ConfigurationError(f"GATEHOUSE_GEOIP {problem}.") from None


def gather_context(user_id: UUID, context: RequestContext) -> RiskContext:
    """Gather the facts about a login, in one bounded statement outside any transaction."""
    params = devices.device_params(context)
    params |= credential_stuffing.is_active_params(context.ip_prefix)
    rows = fetch_all(SELECT_CONTEXT, user_id=user_id, **params)
    attempt = current_engine().build_attempt(clock.now(), context.ip_address, context.user_agent)
    known, alarm = rows[0].device_id is not None, bool(rows[0].credential_stuffing)
    return RiskContext(
        replace(attempt, device_known=known, credential_stuffing=alarm), _history(rows)
    )


def assess_login(risk_context: RiskContext, **facts: Any) -> RiskAssessment:
    """Assess a login; `facts` are further fields of the attempt, such as `failures_here`."""
    return current_engine().assess(replace(risk_context.attempt, **facts), risk_context.history)


def assess_session(
    user_id: UUID, last_use: LastUse, context: RequestContext
) -> RiskAssessment | None:
    """Assess a session that is used again, in the current transaction; None without findings.

    Its history is read, by one statement, only if the network, the country or the browser changed.
    The device token is not considered. Neither is the credential-stuffing alarm, which is about
    logins: an attacker who activates it could otherwise end the sessions of others.
    """
    if (last_use.ip_address, last_use.user_agent) == (context.ip_address, context.user_agent):
        return None
    engine = current_engine()
    before = engine.build_login(last_use.at, last_use.ip_address, last_use.user_agent)
    attempt = engine.build_attempt(clock.now(), context.ip_address, context.user_agent)
    if not _has_moved(before, attempt):
        return None
    rows = db.session.execute(SELECT_HISTORY, {"user_id": user_id}).all()
    assessment = engine.assess(replace(attempt, last_use=before), (before, *_history(rows)))
    return assessment if assessment.findings else None


def _has_moved(before: Login, now: Attempt) -> bool:
    stays = before.ip_prefix == now.ip_prefix and _country(before) == _country(now)
    return not stays or not is_same_program(before.user_agent, now.user_agent)


def _country(login: Login | Attempt) -> str:
    return login.location.country if login.location else ""


def _history(rows: Sequence[Any]) -> tuple[Login, ...]:
    """Return the earlier logins in rows of SELECT_CONTEXT or SELECT_HISTORY."""
    engine, logins = current_engine(), (row for row in rows if row.at)
    return tuple(engine.build_login(row.at, row.ip_address, row.user_agent) for row in logins)
