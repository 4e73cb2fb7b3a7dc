"""Adaptive login: what the judgement of a login leads to (see `defence.judgement`)."""

import config
from gatehouse.accounts import notices
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.defence import judgement
from gatehouse.defence.judgement import Judgement, Seen
from gatehouse.defence.risk_policy import Decision
from gatehouse.foundation.errors import Refusal
from gatehouse.foundation.visitor import Visitor
from gatehouse.login.method import Proof
from models import User


class LoginRefused(Refusal):
    """You proved who you are, but this sign-in is too unusual to be let in."""

    status = 403
    code = "login_refused"
    event = events.Risk.REFUSED
    next = "Sign in as you usually do, or ask the people who run this service."


def weigh(user: User, proof: Proof, seen: Seen, visitor: Visitor) -> Judgement:
    """Weigh a login in the current transaction: write down why, and tell the owner.

    Raises:
        LoginRefused: the policy says so.
    """
    judged = judgement.judge(seen, failures=proof.failures, strangers=proof.strangers)
    if judged.decision is Decision.REFUSE:
        raise LoginRefused(user_id=user.id, **judged.details)
    record(events.Risk.JUDGED, visitor, user_id=user.id, **judged.details)
    if _tells(judged):
        link = f"{config.settings().public_url}/forgot-password"
        notices.tell(user, "notice_new_device", {"link": link}, visitor)
    return judged


def _tells(judged: Judgement) -> bool:
    """Tell whether the owner hears of it: also where a second factor is wanted and there is none.

    Refusing those would lock people out who have nothing to be asked for.
    """
    return judged.decision in (Decision.NOTIFY, Decision.ASK_SECOND_FACTOR)
