"""A lost second factor: with two proofs that are independent its owner has all factors reset.

NIST SP 800-63B-4 section 4.2.2.2 wants a code that is sent, and beside it the password or a saved
recovery code: two codes that are sent are one method. A password that a message was enough to
choose shows no more than the message, and an address or a number that came lately may be a
thief's; neither counts. What follows is the reset of `mfa.reset`: announced, later, and stoppable.

Known and unknown addresses get the same answer after the same work.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatehouse.account import email_change_revert, password_reset
from gatehouse.account.errors import LossPasswordWrong, LossUnproved, ProofsNotIndependent
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.database.session import take_turns, writing
from gatehouse.messaging import outbox, recipient_limits, sms, sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.mfa import attempts, credential_store, registry, reset
from gatehouse.mfa.factor import CodeUsed
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import code_attempts, notifications, password_check
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Challenge, User

PURPOSE = "lost_factor"
LIFETIME = timedelta(minutes=10)
SETTLED = email_change_revert.LIFETIME
"""How long a number is the account's before a code that is sent there counts; an address counts
once the one before it can no longer take the account back, which is as long."""


def ask(form: dict[str, Any], visitor: Visitor) -> str:
    """Send a code, in one write transaction; return the token that it works together with.

    `form` has `email` (Email) or `phone`; that has to be the account's, and long enough.
    """
    recovery_token = crypto.token()
    with writing():
        user = password_reset.owner(form)
        take_turns(password_reset.turn(form, user))
        letter = _letter(form, user)
        data = {"named": password_reset.named(form), "by": letter.channel}
        counts = _counts(user or _nobody(letter), letter)
        if user is None or not counts:
            about = {"user_id": user.id} if user else {}
            record(events.Factor.LOSS_CODE_WITHHELD, visitor, **about)
            whom = {"whom": str(user.id)} if user else {}
            waste = sms.waste if letter.channel == "sms" else outbox.waste
            waste(_filled(letter, recovery_token, data | whom), visitor)
            return recovery_token
        put = sms.text if letter.channel == "sms" else outbox.put
        put(_filled(letter, recovery_token, data | {"user_id": str(user.id)}), visitor)
        record(events.Factor.LOSS_CODE_SENT, visitor, user_id=user.id, by=letter.channel)
    return recovery_token


def prove(form: dict[str, Any], visitor: Visitor) -> datetime:
    """Announce that all second factors go, and return when they do.

    `form` has the `recovery_token`, the `code` that was sent, and `password` or `recovery_code`.
    The code is judged first: without it this is no place to guess a password.

    Raises:
        LossUnproved, FactorWrong: the code or the recovery code is wrong, used or too old.
        LossPasswordWrong: the code is right, the password is not.
        ProofsNotIndependent: both are right, but are one proof.
        TooManyAttempts: too many were wrong; this one was not evaluated.
    """
    row = _by_code(form, visitor)
    one_time_codes.give_back(row.id)  # it was no guess; what comes with it is counted elsewhere
    if row.user_id is None:
        raise LossUnproved
    if "password" in form:
        return _with_password(row, row.user_id, form["password"], visitor)
    return _with_recovery_code(row, row.user_id, form["recovery_code"], visitor)


def _with_password(row: Challenge, user_id: UUID, typed: str, visitor: Visitor) -> datetime:
    claimed = password_check.look(user_id, visitor)
    stored = password_check.verify(claimed, typed, visitor, LossPasswordWrong).stored
    with writing():
        user = _take(row)
        try:
            passwords.hold(user_id, stored.chosen_at)
        except WrongPassword:  # changed while it was hashed
            raise LossPasswordWrong(user_id=user_id) from None
        if not passwords.proves_by_itself(user_id):
            raise ProofsNotIndependent(user_id=user_id)
        return reset.announce(user, stored.chosen_at, visitor)


def _with_recovery_code(row: Challenge, user_id: UUID, typed: str, visitor: Visitor) -> datetime:
    form = {"factor": registry.RECOVERY, "code": typed}
    attempts.proof_of(registry.RECOVERY, form)
    guess = attempts.count(user_id, visitor)
    with attempts.evaluated(guess, visitor), writing():
        try:
            user = _take(row)
        except LossUnproved:
            raise CodeUsed from None
        attempts.prove(user_id, form, {}, visitor)
        return reset.announce(user, None, visitor)


def _take(row: Challenge) -> User:
    """Use the code up, in the account's turn; return whose it is, if it still says something.

    Raises:
        LossUnproved: it was used, the address or number is another now, or no factor is there.
    """
    data = one_time_codes.open_data(row)
    user_id = UUID(data["user_id"])
    take_turns(users.turn(user_id))
    user = users.get(user_id)
    try:
        one_time_codes.consume(row.id)
    except one_time_codes.InvalidCode:
        raise LossUnproved(user_id=user_id) from None
    if user is None or not _is_at(user, data) or not credential_store.held(user_id):
        raise LossUnproved(user_id=user_id)
    if data["by"] == "sms":
        sms_budget.proved(data["named"])
    return user


def _is_at(user: User, data: dict[str, Any]) -> bool:
    """Tell whether a code was sent where its account still is."""
    return data["named"] in (user.email_canonical, user.phone if user.phone_verified_at else "")


def _counts(user: User, letter: Letter) -> bool:
    """Tell whether an account has a factor to lose, and a code that is sent there would say so."""
    known = bool(credential_store.held(user.id)) and user.disabled_at is None
    left = recipient_limits.left(letter.recipient, letter.template)
    undoable = one_time_codes.waiting(notifications.UNDO, str(user.id))
    if letter.channel == "sms":
        since = user.phone_verified_at
        return known and left and since is not None and since <= clock.now() - SETTLED
    return known and left and user.email_verified_at is not None and not undoable


def _nobody(letter: Letter) -> User:
    return User(id=users.NOBODY, email=letter.recipient)


def _letter(form: dict[str, Any], user: User | None) -> Letter:
    """Return the message without its variables; it goes to the address as its owner wrote it."""
    locale = user.locale if user else None
    if "phone" in form:
        return Letter(form["phone"], "sms_mfa_recovery", {}, locale, "sms")
    return Letter(user.email if user else form["email"].address, "mfa_recovery", {}, locale)


def _filled(letter: Letter, recovery_token: str, data: dict[str, Any]) -> Letter:
    """Write the challenge; return the letter with its code."""
    if letter.channel == "sms":
        secrets = one_time_codes.create_texted(PURPOSE, recovery_token, data)
        return replace(letter, variables={"code": secrets.code})
    secrets = one_time_codes.create(PURPOSE, recovery_token, data, LIFETIME)
    return replace(letter, variables={"code": secrets.code, "expires": clock.now() + LIFETIME})


def _by_code(form: dict[str, Any], visitor: Visitor) -> Challenge:
    """Count the guess for the account that the token is about, then evaluate it."""
    asked = one_time_codes.waiting(PURPOSE, form["recovery_token"])
    if not asked:
        raise LossUnproved
    whom = asked[0].user_id or _meant(one_time_codes.open_data(asked[0]))
    with code_attempts.counted(whom, visitor, LossUnproved):
        return one_time_codes.guess_code(PURPOSE, form["recovery_token"], form["code"])


def _meant(data: dict[str, Any]) -> UUID | str:
    """Return whom the guesses of a code count for that nobody was sent: the account, if there is.

    All doors count them for the account; a budget of this door alone would tell that there is one.
    """
    return UUID(data["whom"]) if "whom" in data else str(data["named"])
