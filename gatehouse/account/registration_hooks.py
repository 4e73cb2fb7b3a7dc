"""Ask the operator's hooks before a registration, by every way to an account.

A sign-up is asked about before its e-mail address is looked up, and only once: not again when the
address is verified. An invitation is asked about when it is accepted.
"""

from dataclasses import dataclass, field
from typing import Protocol

from gatehouse.database.session import end_transaction
from gatehouse.hooks import blocking, kinds
from gatehouse.hooks.blocking import Outcomes
from gatehouse.hooks.questions import Question
from gatehouse.web.request_context import RequestContext


class Applicant(Protocol):
    """Who wants an account, and what they have filled in."""

    @property
    def email(self) -> str:
        """The e-mail address."""

    @property
    def profile(self) -> dict[str, str]:
        """The profile."""

    @property
    def attributes(self) -> dict[str, object]:
        """What the operator's schema declares."""


@dataclass(frozen=True)
class Invited:
    """An applicant who has filled in nothing."""

    email: str
    profile: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)


def ask_hooks(method: str, applicant: Applicant, context: RequestContext) -> Outcomes:
    """Ask whether an account may be created; return the hooks that failed, to be recorded.

    The method is `password`, `passkey` or `invitation`. A read transaction is ended.

    Raises:
        RegistrationDenied: a hook denied, or failed and declares that it denies.
    """
    end_transaction()
    if not blocking.is_asked(kinds.BEFORE_REGISTRATION):
        return ()
    profile = {**applicant.profile, "attributes": applicant.attributes}
    data = {"method": method, "email": applicant.email, "profile": profile}
    return blocking.require_allowed(Question(kinds.BEFORE_REGISTRATION, data, context))
