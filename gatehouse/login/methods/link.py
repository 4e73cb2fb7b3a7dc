"""Login with a link or a code by e-mail, or a code by SMS.

The response to the request carries a login token, and link and code work only together with it:
they are bound to the browser or app that requested them. A link opened elsewhere shows its code.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto, crypto_labels
from gatehouse.database.session import write_transaction
from gatehouse.devices import service as devices
from gatehouse.lockout.backoff import CODE
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified
from gatehouse.login.method import (
    AuthenticationResult,
    Login,
    LoginAttempt,
    LoginForm,
    LoginRoute,
)
from gatehouse.login.risk import LoginRejected
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.one_time_codes.stored_data import CodeData, stored_as
from gatehouse.sessions.continuation import Continuation
from gatehouse.users import service as users
from gatehouse.users.forms import RecipientForm
from gatehouse.users.password_check import AttemptTarget
from gatehouse.web.fields import Code, Form, String
from gatehouse.web.request_context import RequestContext
from gatehouse.web.user_agent import device_name
from models import OneTimeCode


class LinkFailed(InvalidCode):
    """The code or link is wrong, has expired, was used before, or was requested elsewhere."""

    event = events.Login.FAILED


LOGIN_CODE = CodeType(
    crypto_labels.LOGIN_LINK,
    template="login_link",
    short_template="sms_login",
    lifetime_of=lambda settings: settings.login_link_lifetime,
    error=LinkFailed,
    page="login-link",
    shows_code=True,
)


@dataclass(frozen=True)
class LoginLinkRequestForm:
    """The form `LoginLinkRequest`."""

    recipient: Recipient


@dataclass(frozen=True)
class LoginLinkTokenForm:
    """The form `LoginLinkToken`."""

    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LoginLinkData(CodeData):
    """What is stored with a login code."""

    ip_address: str = stored_as("address", "")
    device: str = ""
    code: str = field(default="", repr=False)
    """For the page of the link."""
    continuation: dict[str, str] | None = None
    """Returned when the login succeeds (see `sessions.continuation`)."""


class LoginLinkRequest(RecipientForm):
    """The user who wants to sign in: by `email`, or by a verified `phone` number."""

    form_type = LoginLinkRequestForm


class LoginLinkToken(Form):
    """The token of a login link that was opened in another browser than the requesting one."""

    form_type = LoginLinkTokenForm

    token = String(200, required=True, metadata={"description": "from the link"})


@dataclass(frozen=True, kw_only=True)
class LinkLoginForm(LoginForm):
    """The login token of the request, with the link's token or the message's code."""

    login_token: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)


class LinkLogin(Login):
    """The login token of the request, with the link's `token` or the message's `code`."""

    form_type = LinkLoginForm
    alternatives = (frozenset({"token"}), frozenset({"code"}))

    login_token = String(
        64, required=True, metadata={"description": "from the response to the request"}
    )
    token = String(200, metadata={"description": "from the link"})
    code = Code(metadata={"description": "from the message", "example": "12345678"})


@dataclass(frozen=True)
class PendingLogin:
    """A requested login, as the page of its link shows it."""

    requested_at: datetime
    ip_address: str
    device: str


class LinkMethod:
    """Unknown users cause the same response and the same work: a code is stored but not sent."""

    schema: type[Login] = LinkLogin
    route = LoginRoute(
        "Log in with the link or the code, in the browser or app that requested it.",
        path="/login/link/verify",
        errors=(
            *(LinkFailed, TooManyAttempts, AccountDisabled, EmailUnverified),
            *(LoginRejected, MfaEnrolmentOverdue),
        ),
    )

    def send_link(
        self,
        recipient: Recipient,
        context: RequestContext,
        continuation: Continuation | None = None,
    ) -> str:
        """Send a link or a code, in one write transaction; return the login token."""
        login_token = crypto.random_token()
        device = device_name(context.user_agent)
        stored = asdict(continuation) if continuation else None
        data = LoginLinkData(ip_address=context.ip_address, device=device, continuation=stored)
        with write_transaction():
            user, recipient = users.find_by_recipient(recipient)
            user_id = user.id if user else None
            request = CodeRequest(LOGIN_CODE, login_token, recipient, user_id, data)
            sent = sending.send_code(request, context)
            if user_id is None:
                record(events.Login.LINK_SUPPRESSED, context)
            elif not sent.is_enqueued:
                record(events.Login.LINK_SUPPRESSED, context, user_id=user_id)
            else:
                channel = recipient.channel
                record(events.Login.LINK_SENT, context, user_id=user_id, channel=channel)
        return login_token

    def identify(self, form: LinkLoginForm, context: RequestContext) -> AttemptTarget | None:
        """Return the account or recipient that a code was requested for; None for a link.

        Raises:
            LinkFailed: nothing was requested with this login token.
        """
        if form.code is None:
            return None
        account = redeeming.find_account(LOGIN_CODE, form.login_token)
        user_id = account if isinstance(account, UUID) else users.UNKNOWN_USER_ID
        device = devices.find_device(user_id, context)
        return AttemptTarget(account, device.id if device else None, kind=CODE)

    def authenticate(self, attempt: LoginAttempt[LinkLoginForm]) -> AuthenticationResult:
        """Verify the link or code; it is consumed in the transaction that follows.

        Raises:
            LinkFailed: it is wrong, or was not requested with this login token.
        """
        row = _find_row(attempt.form)
        if row.user_id is None:
            raise LinkFailed
        data = one_time_codes.load_data(row, LoginLinkData)
        return AuthenticationResult(
            row.user_id,
            (redeeming.channel_of(row).amr,),
            consume=partial(redeeming.consume, LOGIN_CODE, row),
            continuation=Continuation(**data.continuation) if data.continuation else None,
        )


def find_pending(code_id: UUID) -> PendingLogin | None:
    """Return when and from where a login was requested, if its link still works."""
    row = one_time_codes.find_by_id(LOGIN_CODE.purpose, code_id)
    if row is None:
        return None
    data = one_time_codes.load_data(row, LoginLinkData)
    return PendingLogin(row.created_at, data.ip_address, data.device)


def get_code(token: str) -> str:
    """Return the code that belongs to a link, for a link opened elsewhere; consumes nothing.

    Raises:
        LinkFailed: the link is wrong, has expired or was used before.
    """
    row = redeeming.find_link(LOGIN_CODE, token)
    return one_time_codes.load_data(row, LoginLinkData).code


def _find_row(form: LinkLoginForm) -> OneTimeCode:
    """Return the row of a link, or of a code whose attempt was counted, by its login token."""
    purpose, login_token = LOGIN_CODE.purpose, form.login_token
    if form.code is not None:
        try:
            return redeeming.verify_code(LOGIN_CODE, login_token, form.code)
        except InvalidCode:
            raise LinkFailed from None
    row = redeeming.find_link(LOGIN_CODE, form.token or "")
    if row.subject_digest not in crypto.keyed_digests(purpose, login_token):
        raise LinkFailed
    return row


plugin = LinkMethod()
