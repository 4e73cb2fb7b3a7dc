"""The step of a login that asks the operator's hooks, after the authentication and its risk.

Second step and enrolment resume a login that has passed it.
"""

from typing import Any

from sqlalchemy import bindparam, select

from gatehouse.database.statements import fetch_one_or_none
from gatehouse.hooks import blocking, kinds
from gatehouse.hooks.questions import Question
from gatehouse.login.method import LoginAttempt
from models import User

SELECT_NAMES = select(User.email, User.username).where(User.id == bindparam("user_id"))


def ask_hooks(attempt: LoginAttempt[Any]) -> LoginAttempt[Any]:
    """Ask the hooks whether the authenticated user may log in; no transaction is open.

    Raises:
        LoginDenied: a hook denied, or failed and declares that it denies.
    """
    if blocking.is_asked(kinds.BEFORE_LOGIN):
        names = fetch_one_or_none(SELECT_NAMES, user_id=attempt.user_id)
        user = names._asdict() if names else {}
        data = {
            "user": {"id": str(attempt.user_id), **user},
            "amr": list(attempt.amr),
            "risk": attempt.assessment.decision.policy_name,
        }
        question = Question(kinds.BEFORE_LOGIN, data, attempt.context, attempt.user_id)
        attempt.failed_hooks = blocking.require_allowed(question)
    return attempt
