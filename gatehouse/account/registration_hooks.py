"""Ask the operator's hooks before a registration, by every way to an account.

A sign-up is asked about before its e-mail address is looked up, and only once: not again when the
address is verified. An invitation is asked about when it is accepted.
"""

from collections.abc import Mapping

from gatehouse.database.session import end_transaction
from gatehouse.hooks import blocking, kinds
from gatehouse.hooks.blocking import Outcomes
from gatehouse.hooks.questions import Question
from gatehouse.web.request_context import RequestContext


def ask_hooks(
    method: str, email: str, profile: Mapping[str, object], context: RequestContext
) -> Outcomes:
    """Ask whether an account may be created; return the hooks that failed, to be recorded.

    The method is `password`, `passkey` or `invitation`. A read transaction is ended.

    Raises:
        RegistrationDenied: a hook denied, or failed and declares that it denies.
    """
    end_transaction()
    if not blocking.is_asked(kinds.BEFORE_REGISTRATION):
        return ()
    data = {"method": method, "email": email, "profile": dict(profile)}
    return blocking.require_allowed(Question(kinds.BEFORE_REGISTRATION, data, context))
