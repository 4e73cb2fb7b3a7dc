"""Adaptive login: what the judgement of a login leads to (see `defence.judgement`)."""

from functools import partial
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core.errors import Refusal
from gatehouse.login.method import Proof
from gatehouse.risk import engine
from gatehouse.risk.engine import Judgement
from gatehouse.risk.policy import Decision
from gatehouse.users import notifications
from gatehouse.web.request_context import Visitor
from models import User


class LoginRefused(Refusal):
    """You proved who you are, but this sign-in is too unusual to be let in."""

    status = 403
    code = "login_refused"
    event = events.Risk.REFUSED
    next = "Sign in as you usually do, or ask the people who run this service."


def judge(proof: Proof, visitor: Visitor) -> Judgement:
    """Weigh the login of somebody who has proved who they are; no transaction is open.

    Raises:
        CaptchaRequired: the policy wants one that was not solved; the decision is written down.
    """
    seen = engine.look(proof.user_id, visitor)
    facts = {"failures": proof.failures, "strangers": proof.strangers, "breached": proof.breached}
    judged = engine.judge(seen, **facts)
    if judged.asks_captcha and proof.captcha and not proof.captcha.solved:
        try:
            captcha.solve("login", proof.captcha.answer)
        except CaptchaRequired as refusal:
            refusal.aftermath = partial(write_down, proof.user_id, judged, visitor)
            raise
    return judged


def act(user: User, judged: Judgement, visitor: Visitor, can_be_asked: bool = False) -> None:
    """Do what was decided, in the current transaction: refuse, write down why, tell the owner.

    The owner hears of it also where a second factor is wanted from somebody who has none, nor a
    mailbox to prove instead: refusing them would lock people out.

    Raises:
        LoginRefused: the policy says so.
    """
    if judged.decision is Decision.REFUSE:
        raise LoginRefused(user_id=user.id, **judged.details)
    write_down(user.id, judged, visitor)
    unasked = judged.asks_second_factor and not can_be_asked
    if judged.decision is Decision.NOTIFY or unasked:
        notifications.tell(user, "notice_new_device", {}, visitor)


def write_down(user_id: UUID, judged: Judgement, visitor: Visitor) -> None:
    """Record what was decided about a login that is not refused by it, and why."""
    record(events.Risk.JUDGED, visitor, user_id=user_id, **judged.details)
