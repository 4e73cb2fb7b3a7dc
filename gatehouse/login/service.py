"""The funnel: every first factor ends in `finish`, the only place where a session is opened."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core.plugins import load
from gatehouse.database.session import writing
from gatehouse.devices import service as devices
from gatehouse.login import account_checks, risk
from gatehouse.login.method import Method, Proof
from gatehouse.mfa import (
    attempts,
    email_fallback,
    grace_period,
    login_challenge,
    mandatory_enrolment,
    registry,
    reset,
)
from gatehouse.mfa.errors import GraceOver
from gatehouse.mfa.factor import CodeUsed
from gatehouse.mfa.login_challenge import FirstStep, Wanted
from gatehouse.mfa.mandatory_enrolment import EnrolmentWanted
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.risk.engine import Judgement
from gatehouse.sessions import assurance
from gatehouse.sessions import service as sessions
from gatehouse.sessions.token_response import BODY
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.service import Person
from gatehouse.web.request_context import Visitor
from models import User

Answer: TypeAlias = sessions.Tokens | Wanted | EnrolmentWanted
"""What the first step of a login leads to."""
METHODS: dict[str, Method] = load("gatehouse.login.methods", ["password", "passkey", "link"])

FAILURES_TO_TELL = 3
"""Wrong passwords in a row, from where none of the owner's devices is, before the right one."""


def begin(
    method: str, form: dict[str, Any], visitor: Visitor, replaced: UUID | None = None
) -> Answer:
    """Prove by a method, pass the gates, and sign in, or be asked for a second factor.

    `replaced` is the session that the browser was in before; it ends.

    Raises:
        InvalidCredentials: nothing was proved.
        TooManyAttempts: after too many of those.
        AccountDisabled, EmailUnverified, PasswordCompromised: a gate stayed shut.
        CaptchaRequired, LoginRefused, GraceOver: the policy stops a login of this kind.
    """
    return finish(METHODS[method].prove(form, visitor), visitor, replaced, form["transport"])


def finish(
    proof: Proof, visitor: Visitor, replaced: UUID | None = None, transport: str = BODY
) -> Answer:
    """Sign in somebody who has proved who they are, in one write transaction.

    Whoever has a second factor is asked for it, but on a device that is remembered.

    Raises:
        InvalidCredentials: the account or its password is another one by now.
        AccountDisabled, EmailUnverified, PasswordCompromised, LoginRefused: as with `begin`.
        GraceOver: a factor is wanted, and it is too late to set one up with this step alone.
    """
    judged = risk.judge(proof, visitor)
    with writing():
        person, has_factor = login_challenge.person(proof.user_id)
        if person is None:  # deleted while the password was hashed
            raise InvalidCredentials
        user = person.user
        _accept(proof, user, visitor)
        risk.act(user, judged, visitor, has_factor or email_fallback.possible(user, proof.amr))
        if proof.strangers and (proof.failures or 0) >= FAILURES_TO_TELL:
            notifications.of_attempts(user.id, visitor)
        first = _first_step(proof, transport, replaced)
        if assurance.MFA in assurance.combine(proof.amr):  # two in one, such as a passkey
            return _open(person, first, proof.amr, visitor)
        if has_factor and _asks(judged, user, visitor):
            return login_challenge.ask(first, visitor)
        wanted = None if has_factor else _wanted(user, first, judged, visitor)
        return wanted or _open(person, first, proof.amr, visitor)


def _wanted(
    user: User, first: FirstStep, judged: Judgement, visitor: Visitor
) -> Wanted | EnrolmentWanted | None:
    """Return what is asked of somebody who has no factor: a code by mail, to set one up, nothing.

    Raises:
        GraceOver: they must have one, this step alone is too late, and nothing can be asked.
    """
    must_have = login_challenge.must_have(user.id)
    too_late = must_have and not grace_period.lasts(user)
    if (judged.asks_second_factor or too_late) and email_fallback.possible(user, first.amr):
        return login_challenge.ask_by_mail(first, visitor)
    if too_late:
        refusal = GraceOver(user_id=user.id)
        refusal.aftermath = partial(risk.write_down, user.id, judged, visitor)
        raise refusal
    return mandatory_enrolment.ask(first, visitor) if must_have else None


def _asks(judged: Judgement, user: User, visitor: Visitor) -> bool:
    """Tell whether a second factor is asked, on a remembered device as well while a reset waits.

    Who proves it keeps it: so a thief's reset is stopped by an owner who just goes on signing in.
    """
    if judged.asks_second_factor or not devices.is_remembered(user.id, visitor):
        return True
    return reset.waits(user.id)


def _accept(proof: Proof, user: User, visitor: Visitor) -> None:
    """Use up what was proved with, and pass the gates."""
    if proof.spend:
        proof.spend()
    is_flagged = proof.password is not None and _hold_password(proof, proof.password)
    account_checks.pass_all(user)
    account_checks.pass_with_password(user, is_flagged)
    if proof.password and proof.fresh:
        _upgrade(user.id, proof.password, proof.fresh, visitor)


def second_step(form: dict[str, Any], visitor: Visitor) -> tuple[Answer, str]:
    """Prove a second factor, and sign in; return how the tokens shall travel, too.

    Where the policy wants a strong factor and this one is weak, a strong one is set up first.

    Raises:
        InvalidCode: nothing was proved, or the login does not wait any more.
        TooManyAttempts: after too many of those.
        AccountDisabled, EmailUnverified: a gate was shut meanwhile.
    """
    attempt = login_challenge.count(form, visitor)
    with attempts.evaluated(attempt.guess, visitor, at_login=True), writing():
        _hold_first(attempt.first)
        proved = login_challenge.prove(attempt, visitor)
        person = _still(attempt.first)
        user = person.user
        account_checks.pass_all(user)
        amr = [*attempt.first.amr, *proved.amr]
        strong = registry.piece(proved.credential.kind).strong
        if strong and "pwd" in attempt.first.amr:
            passwords.vouch(user.id, proved.credential.kind)
        if not strong and login_challenge.must_have(user.id):
            asked = mandatory_enrolment.ask(replace(attempt.first, amr=amr), visitor)
            return asked, attempt.first.transport
        opened = _open(person, attempt.first, amr, visitor)
        if form["remember_device"] and opened.device_token:
            devices.remember(user.id, opened.device_token)
            record(events.Factor.DEVICE_REMEMBERED, visitor, user_id=user.id)
    return opened, attempt.first.transport


def enrol(form: dict[str, Any], visitor: Visitor) -> tuple[sessions.Tokens, str, list[str]]:
    """Confirm the factor without which the policy lets nobody in, and sign in.

    Returns:
        The tokens, how they shall travel, and the recovery codes.

    Raises:
        InvalidCode: nothing was proved, or the login does not wait any more.
        TooManyAttempts: after too many of those.
    """
    attempt = mandatory_enrolment.count(form, visitor)
    with attempts.evaluated(attempt.guess, visitor), writing():
        _hold_first(attempt.first)
        proved, codes = mandatory_enrolment.confirm(attempt, visitor)
        person = _still(attempt.first)
        account_checks.pass_all(person.user)
        opened = _open(person, attempt.first, [*attempt.first.amr, *proved], visitor)
    return opened, attempt.first.transport, codes


def _open(
    person: Person, first: FirstStep, amr: Sequence[str], visitor: Visitor
) -> sessions.Tokens:
    user_id = person.user.id
    device_token = devices.keep(user_id, visitor)
    opened = sessions.open_session(person, amr, visitor)
    if first.replaced:
        sessions.end(UUID(first.replaced), "replaced_by_login", visitor)
    about = {"user_id": user_id, "session_id": opened.session_id}
    record(events.Login.SUCCEEDED, visitor, **about, amr=assurance.combine(amr))
    return replace(opened, device_token=device_token)


def _first_step(proof: Proof, transport: str, replaced: UUID | None) -> FirstStep:
    chosen_at = proof.password.chosen_at if proof.password else None
    return FirstStep(
        user_id=str(proof.user_id),
        amr=list(proof.amr),
        transport=transport,
        replaced=str(replaced) if replaced else None,
        password=chosen_at.isoformat() if chosen_at else None,
    )


def _still(first: FirstStep) -> Person:
    """Return whose login it is.

    Raises:
        CodeUsed: the account is gone.
    """
    person = users.get_person(UUID(first.user_id))
    if person is None:
        raise CodeUsed
    return person


def _hold_first(first: FirstStep) -> None:
    """Let no login end with another password than it began with.

    The password is locked before what waits for its second step, as by whoever changes it: else
    each could wait for the other for ever.

    Raises:
        CodeUsed: it is another one, or the account is gone.
    """
    if not first.password:
        return
    try:
        passwords.hold(UUID(first.user_id), datetime.fromisoformat(first.password))
    except WrongPassword:
        raise CodeUsed from None


def _hold_password(proof: Proof, verified: passwords.Hashed) -> bool:
    """Let no session begin with a password that was changed while it was verified."""
    try:
        return passwords.hold(proof.user_id, verified.chosen_at)
    except WrongPassword:
        raise InvalidCredentials(user_id=proof.user_id) from None


def _upgrade(
    user_id: UUID, stale: passwords.Hashed, fresh: passwords.Hashed, visitor: Visitor
) -> None:
    if passwords.replace(user_id, stale, fresh):
        record(events.Account.PASSWORD_UPGRADED, visitor, user_id=user_id)
