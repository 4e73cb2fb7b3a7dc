"""Login with a link or a code by e-mail, or a code by SMS.

The response to the request carries a login token, and link and code work only together with it:
they are bound to the browser or app that requested them. A link opened elsewhere shows its code.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from marshmallow import Schema, ValidationError, validates_schema

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto, crypto_labels
from gatehouse.database.session import write_transaction
from gatehouse.login.method import AuthenticationResult, LoginForm
from gatehouse.messaging import outbox, recipient_limits, sms, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import code_attempts, identifiers, mail_variables
from gatehouse.users import service as users
from gatehouse.users.forms import Identifier
from gatehouse.web.fields import CodedMessage, Form, String
from gatehouse.web.request_context import RequestContext
from gatehouse.web.user_agent import device_name
from models import OneTimeCode, User

PURPOSE = crypto_labels.LOGIN_LINK
LIFETIME = timedelta(minutes=10)


class LinkFailed(InvalidCode):
    """The code or link is wrong, has expired, was used before, or was requested elsewhere."""

    event = events.Login.FAILED


class LoginLinkRequest(Form):
    """The user who wants to sign in: by `email`, or by a verified `phone` number."""

    email = Identifier(identifiers.parse_email, 254, metadata={"format": "email"})
    phone = Identifier(identifiers.parse_phone, 32, metadata={"example": "+4915112345678"})

    @validates_schema
    def require_one_identifier(self, form: dict[str, Any], **_: Any) -> None:
        """Require exactly one of the two."""
        if len(form) != 1:
            raise ValidationError(CodedMessage("invalid_combination", "Send email or phone."))


class LinkLogin(LoginForm):
    """The login token of the request, with the link's `token` or the message's `code`."""

    login_token = String(
        64, required=True, metadata={"description": "from the response to the request"}
    )
    token = String(200, metadata={"description": "from the link"})
    code = String(32, metadata={"description": "from the message", "example": "12345678"})

    @validates_schema
    def require_token_or_code(self, form: dict[str, Any], **_: Any) -> None:
        """Require exactly one of the two."""
        if len(form.keys() & {"token", "code"}) != 1:
            raise ValidationError(CodedMessage("invalid_combination", "Send token or code."))


@dataclass(frozen=True)
class PendingLogin:
    """A requested login, as the page of its link shows it."""

    requested_at: datetime
    ip_address: str
    device: str


class LinkMethod:
    """Unknown users cause the same response and the same work: a code is stored but not sent."""

    schema: type[Schema] = LinkLogin

    def send_link(self, form: dict[str, Any], context: RequestContext) -> str:
        """Send a link or a code, in one write transaction; return the login token."""
        login_token = crypto.random_token()
        with write_transaction():
            user = _find_user(form)
            message = _build_message(form, user)
            if user is None or not recipient_limits.has_quota(message.recipient, message.template):
                about = {"user_id": user.id} if user else {}
                record(events.Login.LINK_SUPPRESSED, context, **about)
                outbox.enqueue_decoy(
                    _create_code(message, login_token, _code_data(form, None, context)), context
                )
                return login_token
            enqueue = sms.send if message.channel == "sms" else outbox.put
            enqueue(_create_code(message, login_token, _code_data(form, user, context)), context)
            record(events.Login.LINK_SENT, context, user_id=user.id, channel=message.channel)
        return login_token

    def authenticate(self, form: dict[str, Any], context: RequestContext) -> AuthenticationResult:
        """Verify the link or code; it is consumed in the transaction that follows.

        Raises:
            LinkFailed: it is wrong, or was not requested with this login token.
            TooManyAttempts: too many codes were wrong; this one was not evaluated.
        """
        row = _verify_code(form, context) if "code" in form else _find_by_token(form)
        user_id = row.user_id
        if user_id is None:
            raise LinkFailed
        data = one_time_codes.decrypt_data(row)
        return AuthenticationResult(user_id, (data["by"],), consume=partial(_consume, row, data))


def _consume(row: OneTimeCode, data: dict[str, Any]) -> None:
    try:
        one_time_codes.consume(row.id)
    except InvalidCode:
        raise LinkFailed(user_id=row.user_id) from None
    if data["by"] == "sms":
        sms_budget.record_conversion(data["named"])


def find_pending(code_id: UUID) -> PendingLogin | None:
    """Return when and from where a login was requested, if its link still works."""
    row = one_time_codes.find_by_id(PURPOSE, code_id)
    if row is None:
        return None
    data = one_time_codes.decrypt_data(row)
    return PendingLogin(row.created_at, data["address"], data["device"])


def get_code(token: str) -> str:
    """Return the code that belongs to a link, for a link opened elsewhere; consumes nothing.

    Raises:
        LinkFailed: the link is wrong, has expired or was used before.
    """
    row = one_time_codes.find_by_token(PURPOSE, token)
    if row is None:
        raise LinkFailed
    return str(one_time_codes.decrypt_data(row)["code"])


def _find_user(form: dict[str, Any]) -> User | None:
    """Return the user with this e-mail address, or with this verified number."""
    if "phone" in form:
        return users.find_by_verified_phone(form["phone"])
    return users.find_by_email(form["email"].canonical)


def _build_message(form: dict[str, Any], user: User | None) -> MessageRequest:
    """Return the message without its variables; a known user's address is used as they wrote it."""
    locale = user.locale if user else None
    if "phone" in form:
        return MessageRequest(form["phone"], "sms_login", {}, locale, "sms")
    return MessageRequest(
        user.email if user else form["email"].as_written, "login_link", {}, locale
    )


def _code_data(form: dict[str, Any], user: User | None, context: RequestContext) -> dict[str, Any]:
    named = form["phone"] if "phone" in form else form["email"].canonical
    about = {"named": named, "by": "sms" if "phone" in form else "email"}
    about |= {"address": context.ip_address, "device": device_name(context.user_agent)}
    return about | ({"user_id": str(user.id)} if user else {})


def _create_code(message: MessageRequest, login_token: str, data: dict[str, Any]) -> MessageRequest:
    """Store the one-time code; return the message with the code and, in an e-mail, the link."""
    if message.channel == "sms":
        secrets = one_time_codes.create_short_code(PURPOSE, login_token, data)
        return replace(message, variables={"code": secrets.code})
    secrets = one_time_codes.create(PURPOSE, login_token, data, LIFETIME)
    one_time_codes.store_code(secrets, data)
    return replace(
        message, variables=mail_variables.build_code_variables("login-link", secrets, LIFETIME)
    )


def _find_by_token(form: dict[str, Any]) -> OneTimeCode:
    row = one_time_codes.find_by_token(PURPOSE, form["token"])
    if row is None or row.subject_digest not in crypto.keyed_digests(PURPOSE, form["login_token"]):
        raise LinkFailed
    return row


def _verify_code(form: dict[str, Any], context: RequestContext) -> OneTimeCode:
    """Count an attempt on the account of the login token, then verify the code."""
    pending = one_time_codes.list_pending(PURPOSE, form["login_token"])
    if not pending:
        raise LinkFailed
    subject = pending[0].user_id or one_time_codes.decrypt_data(pending[0])["named"]
    with code_attempts.counted_attempt(subject, context, LinkFailed):
        return one_time_codes.verify_code(PURPOSE, form["login_token"], form["code"])


plugin = LinkMethod()
