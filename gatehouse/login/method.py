"""The contract of a login method, and the attempt that the steps of `login.service` hand along."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from gatehouse.captcha.service import CaptchaCheck
from gatehouse.core.errors import ApiError
from gatehouse.hooks.blocking import Outcomes
from gatehouse.lockout.backoff import PASSWORD
from gatehouse.lockout.service import CountedAttempt
from gatehouse.mfa.factor import VerifiedFactor
from gatehouse.passwords.service import PasswordHash
from gatehouse.risk.engine import RiskAssessment
from gatehouse.sessions.continuation import Continuation
from gatehouse.sessions.token_response import BODY, TokenTransport
from gatehouse.users.password_check import AttemptTarget
from gatehouse.users.service import UserWithProfile
from gatehouse.web.fields import Form
from gatehouse.web.request_context import RequestContext


@dataclass(frozen=True, kw_only=True)
class LoginForm:
    """What every login form has: whether tokens are returned in the body or in cookies."""

    transport: str = BODY


@dataclass(frozen=True, kw_only=True)
class CaptchaLoginForm(LoginForm):
    """A login form that the CAPTCHA policy applies to; its schema has `captcha_field()`."""

    captcha: str | None = field(default=None, repr=False)


class Login(Form):
    """The field of every login form: whether tokens are returned in the body or in cookies."""

    transport = TokenTransport()


@dataclass(frozen=True)
class LoginRoute:
    """The route of a login method; a new one needs its `summary` only."""

    summary: str
    path: str = ""
    """Within the blueprint; `/login/NAME` if empty."""
    operation_id: str = ""
    """`log_in_with_NAME` if empty."""
    errors: tuple[type[ApiError], ...] = ()
    """The documented errors; those of `method_routes.ERRORS` if empty."""
    blueprint: str = "auth"
    rate_limit: str = "login"


@dataclass(frozen=True)
class AuthenticationResult:
    """The authenticated user, and how they authenticated (`amr`: RFC 8176 values)."""

    user_id: UUID
    amr: tuple[str, ...]
    password_hash: PasswordHash | None = None
    """The stored password hash that was verified, if the method uses a password."""
    rehashed: PasswordHash | None = None
    """A new hash of the same password, if the stored one has outdated parameters."""
    breached: bool | None = None
    """Whether the password is in the local list of breached passwords; None if not checked."""
    consume: Callable[[], object] | None = None
    """Consumes the one-time credential, in the transaction that opens the session."""
    continuation: Continuation | None = None
    """The continuation of the request that sent the one-time credential."""


FormType = TypeVar("FormType")


@dataclass
class LoginAttempt(Generic[FormType]):
    """A login on its way through the steps; each sets what later ones need.

    A second step and an enrolment resume it without `result`: their first step had one.
    """

    form: FormType
    context: RequestContext
    transport: str = BODY
    replaced_session_id: UUID | None = None
    """The browser's previous session; ended when this login completes."""
    continuation: Continuation | None = None
    method: "LoginMethod[FormType]" = field(init=False, repr=False)
    target: AttemptTarget | None = None
    """The account or identifier that the attempt counts for, if the method identifies one first."""
    captcha: CaptchaCheck = field(default_factory=CaptchaCheck)
    counted: CountedAttempt | None = None
    result: AuthenticationResult | None = None
    user_id: UUID = field(init=False)
    amr: tuple[str, ...] = ()
    password_set_at: datetime | None = None
    """When the verified password was set; the login is void once the password changes."""
    assessment: RiskAssessment = field(init=False, repr=False)
    failed_hooks: Outcomes = ()
    """Hooks that did not answer, and allow a login then."""
    person: UserWithProfile = field(init=False, repr=False)
    has_factor: bool = False
    second_factor: VerifiedFactor | None = None
    """The factor of the second step, or the one enrolled during the login."""
    remember_device: bool = False

    def accept(self, result: AuthenticationResult) -> None:
        """Set the user, and how they authenticated."""
        self.result, self.user_id, self.amr = result, result.user_id, result.amr
        self.password_set_at = result.password_hash.changed_at if result.password_hash else None
        self.continuation = result.continuation or self.continuation

    @property
    def failures_here(self) -> int | None:
        """Wrong passwords in a row just before, from the same device or network, if counted."""
        counted = self._counted_password()
        return counted.failures_here - 1 if counted else None

    @property
    def failures_from_unknown_devices(self) -> int | None:
        """The same from all unknown devices together; 0 on a known device."""
        counted = self._counted_password()
        return max(0, counted.failures_from_unknown_devices - 1) if counted else None

    def _counted_password(self) -> CountedAttempt | None:
        return self.counted if self.counted and self.counted.kind == PASSWORD else None


class LoginMethod(Protocol[FormType]):
    """A way to authenticate, such as a password, a passkey or a link."""

    schema: type[Login]
    """It loads into a `LoginForm`, or into a `CaptchaLoginForm`."""
    route: LoginRoute

    def identify(self, form: FormType, context: RequestContext) -> AttemptTarget | None:
        """Return whom the attempt counts for; None if only the credential identifies the user.

        Takes as long for unknown users.

        Raises:
            ApiError: nothing is pending that the form could complete.
        """
        ...

    def authenticate(self, attempt: LoginAttempt[FormType]) -> AuthenticationResult:
        """Verify the credential of an attempt that was counted; takes as long for unknown users.

        No transaction is open, and a one-time credential is consumed by the result's `consume`.

        Raises:
            InvalidCredentials, InvalidCode: the credential is wrong; the attempt stays counted.
            ApiError: it was not evaluated, so the attempt is withdrawn.
        """
        ...
