"""A link or a code by mail, or a code by SMS: who asked for it and can read it signs in.

Whoever asks gets a login token, and the message works together with that token alone: it is bound
to the browser or app that asked. A link that is opened elsewhere only shows its code.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from marshmallow import Schema, ValidationError, validates_schema

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto
from gatehouse.database.session import writing
from gatehouse.login.method import LoginForm, Proof
from gatehouse.messaging import outbox, recipient_limits, sms, sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import code_attempts, identifiers, mail_variables
from gatehouse.users import service as users
from gatehouse.users.forms import Identifier
from gatehouse.web.fields import Coded, Form, Text
from gatehouse.web.request_context import Visitor
from gatehouse.web.user_agent import device_name
from models import Challenge, User

PURPOSE = "login"
LIFETIME = timedelta(minutes=10)


class LinkFailed(InvalidCode):
    """The code or the link is wrong, has expired, was used before, or was asked for elsewhere."""

    event = events.Login.FAILED


class LinkRequest(Form):
    """Who wants to sign in: by `email`, or by `phone` where that was proved."""

    email = Identifier(identifiers.email, 254, metadata={"format": "email"})
    phone = Identifier(identifiers.phone, 32, metadata={"example": "+4915112345678"})

    @validates_schema
    def one_way(self, form: dict[str, Any], **_: Any) -> None:
        """Ask for one of the two."""
        if len(form) != 1:
            raise ValidationError(Coded("one_way", "Send email or phone."))


class LinkLogin(LoginForm):
    """The login token of who asked, with the link's `token` or the message's `code`."""

    login_token = Text(64, required=True, metadata={"description": "of the answer to asking"})
    token = Text(200, metadata={"description": "from the link"})
    code = Text(32, metadata={"description": "from the message", "example": "12345678"})

    @validates_schema
    def one_way(self, form: dict[str, Any], **_: Any) -> None:
        """Ask for one of the two."""
        if len(form.keys() & {"token", "code"}) != 1:
            raise ValidationError(Coded("one_way", "Send token or code."))


@dataclass(frozen=True)
class PendingLogin:
    """What the page of the link tells about the login that somebody asked for."""

    asked_at: datetime
    address: str
    device: str


class LinkMethod:
    """For nobody, a challenge is written that no message tells of: answer and work are the same."""

    schema: type[Schema] = LinkLogin

    def ask(self, form: dict[str, Any], visitor: Visitor) -> str:
        """Send a link or a code, in one write transaction; return the login token."""
        login_token = crypto.token()
        with writing():
            user = _owner(form)
            letter = _letter(form, user)
            if user is None or not recipient_limits.left(letter.recipient, letter.template):
                about = {"user_id": user.id} if user else {}
                record(events.Login.LINK_WITHHELD, visitor, **about)
                outbox.waste(_filled(letter, login_token, _data(form, None, visitor)), visitor)
                return login_token
            put = sms.text if letter.channel == "sms" else outbox.put
            put(_filled(letter, login_token, _data(form, user, visitor)), visitor)
            record(events.Login.LINK_SENT, visitor, user_id=user.id, by=letter.channel)
        return login_token

    def prove(self, form: dict[str, Any], visitor: Visitor) -> Proof:
        """Return whose link or code it is; it is used up in the transaction that follows.

        Raises:
            LinkFailed: it is nobody's, or was not asked for with this login token.
            TooManyAttempts: too many codes were wrong; this one was not evaluated.
        """
        row = _by_code(form, visitor) if "code" in form else _by_token(form)
        user_id = row.user_id
        if user_id is None:
            raise LinkFailed
        data = one_time_codes.open_data(row)
        return Proof(user_id, (data["by"],), spend=partial(_spend, row, data))


def _spend(row: Challenge, data: dict[str, Any]) -> None:
    try:
        one_time_codes.consume(row.id)
    except InvalidCode:
        raise LinkFailed(user_id=row.user_id) from None
    if data["by"] == "sms":
        sms_budget.proved(data["named"])


def describe(challenge_id: UUID) -> PendingLogin | None:
    """Return when and from where a login was asked for, if its link still works."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    if row is None:
        return None
    data = one_time_codes.open_data(row)
    return PendingLogin(row.created_at, data["address"], data["device"])


def code_of(token: str) -> str:
    """Return the code that belongs to a link, for whoever opened it elsewhere; uses nothing up.

    Raises:
        LinkFailed: the link is wrong or does not work any more.
    """
    row = one_time_codes.by_token(PURPOSE, token)
    if row is None:
        raise LinkFailed
    return str(one_time_codes.open_data(row)["code"])


def _owner(form: dict[str, Any]) -> User | None:
    """Return who has the address, or has proved the number."""
    if "phone" in form:
        return users.by_proven_phone(form["phone"])
    return users.by_email(form["email"].canonical)


def _letter(form: dict[str, Any], user: User | None) -> Letter:
    """Return the message without its variables; it goes to the address as its owner wrote it."""
    locale = user.locale if user else None
    if "phone" in form:
        return Letter(form["phone"], "sms_login", {}, locale, "sms")
    return Letter(user.email if user else form["email"].address, "login_link", {}, locale)


def _data(form: dict[str, Any], user: User | None, visitor: Visitor) -> dict[str, Any]:
    named = form["phone"] if "phone" in form else form["email"].canonical
    about = {"named": named, "by": "sms" if "phone" in form else "email"}
    about |= {"address": visitor.address, "device": device_name(visitor.user_agent)}
    return about | ({"user_id": str(user.id)} if user else {})


def _filled(letter: Letter, login_token: str, data: dict[str, Any]) -> Letter:
    """Write the challenge; return the letter with its code and, in a mail, its link."""
    if letter.channel == "sms":
        secrets = one_time_codes.create_texted(PURPOSE, login_token, data)
        return replace(letter, variables={"code": secrets.code})
    secrets = one_time_codes.create(PURPOSE, login_token, data, LIFETIME)
    one_time_codes.keep_code(secrets, data)
    return replace(letter, variables=mail_variables.proof("login-link", secrets, LIFETIME))


def _by_token(form: dict[str, Any]) -> Challenge:
    row = one_time_codes.by_token(PURPOSE, form["token"])
    if row is None or row.lookup not in crypto.keyed_digests(PURPOSE, form["login_token"]):
        raise LinkFailed
    return row


def _by_code(form: dict[str, Any], visitor: Visitor) -> Challenge:
    """Count the guess for the account that the login token is about, then evaluate it."""
    asked = one_time_codes.waiting(PURPOSE, form["login_token"])
    if not asked:
        raise LinkFailed
    whom = asked[0].user_id or one_time_codes.open_data(asked[0])["named"]
    with code_attempts.counted(whom, visitor, LinkFailed):
        return one_time_codes.guess_code(PURPOSE, form["login_token"], form["code"])


piece = LinkMethod()
