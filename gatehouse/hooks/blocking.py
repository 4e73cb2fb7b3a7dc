"""Ask blocking hooks before something happens: one signed request to each, and no transaction open.

All hooks of a kind together have 300 ms. A hook that gives no usable answer counts as failed, and
decides what it declares (`on_failure`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gatehouse.audit.administration_events import Hooks
from gatehouse.audit.event import Event
from gatehouse.audit.service import record
from gatehouse.core import metrics
from gatehouse.hooks import answers, kinds, memory
from gatehouse.hooks.answers import Decision, HookFailed
from gatehouse.hooks.errors import TRY_LATER, HookDenial, LoginDenied, RegistrationDenied
from gatehouse.hooks.memory import KnownHook
from gatehouse.hooks.questions import Question, ask_hook, start_budget

DENIALS: Mapping[str, type[HookDenial]] = {
    kinds.BEFORE_REGISTRATION: RegistrationDenied,
    kinds.BEFORE_LOGIN: LoginDenied,
}


@dataclass(frozen=True)
class Outcome:
    """What a hook decided, or why it failed."""

    hook: KnownHook
    question: Question
    decision: Decision
    failure: str | None = None


Outcomes = tuple[Outcome, ...]


def is_asked(kind: str) -> bool:
    """Return whether there are enabled hooks of a kind."""
    return bool(memory.list_hooks(kind))


def require_allowed(question: Question) -> Outcomes:
    """Ask the hooks of a kind, by their names, until one denies; call it without a transaction.

    Returns:
        The failures, for `record_failures` in the transaction of what was asked about.

    Raises:
        RegistrationDenied, LoginDenied: a hook denied, or failed and declares that it denies.
    """
    outcomes: Outcomes = ()
    deadline = start_budget()
    for hook in memory.list_hooks(question.kind):
        outcome = _decide(hook, question, deadline)
        outcomes += (outcome,)
        if outcome.decision.is_denial:
            raise _deny(outcomes)
    return tuple(outcome for outcome in outcomes if outcome.failure)


def record_failures(outcomes: Outcomes) -> None:
    """Record the hooks that failed, in the current transaction."""
    for outcome in outcomes:
        if outcome.failure:
            _record(Hooks.FAILED, outcome, outcome.failure)


def _decide(hook: KnownHook, question: Question, deadline: float) -> Outcome:
    try:
        decision = ask_hook(hook, question, deadline, answers.parse_decision)
        outcome = Outcome(hook, question, decision)
    except HookFailed as failure:
        outcome = Outcome(hook, question, Decision(hook.on_failure), str(failure))
    counted = "failed" if outcome.failure else outcome.decision.decision
    metrics.HOOK_ANSWERS.labels(hook.kind, counted).inc()
    return outcome


def _deny(outcomes: Outcomes) -> HookDenial:
    """Return the error of the last outcome; all outcomes are recorded after the rollback."""
    last, question = outcomes[-1], outcomes[-1].question
    about = {"user_id": question.user_id} if question.user_id else {}
    error = DENIALS[question.kind](last.decision.message, **about)
    error.reason = last.decision.code
    if last.failure:
        error.next = TRY_LATER
    error.on_rollback = partial(_record_outcomes, outcomes)
    return error


def _record_outcomes(outcomes: Outcomes) -> None:
    record_failures(outcomes)
    if not outcomes[-1].failure:
        _record(Hooks.DENIED, outcomes[-1], outcomes[-1].decision.code)


def _record(event: Event, outcome: Outcome, reason: str | None) -> None:
    hook, question = outcome.hook, outcome.question
    about: dict[str, Any] = {"hook_id": str(hook.id), "name": hook.name, "kind": hook.kind}
    decision = outcome.decision.decision
    about |= {"decision": decision, "reason": reason}
    record(event, question.context, user_id=question.user_id, **about)
