"""The steps of a login that ask the operator's hooks, after the authentication and its risk.

Second step and enrolment resume a login that has passed them.
"""

from gatehouse.hooks import blocking, kinds, token_claims
from gatehouse.hooks.questions import Question
from gatehouse.hooks.subject import describe_user
from gatehouse.login.method import LoginAttempt


def ask_hooks(attempt: LoginAttempt[object]) -> LoginAttempt[object]:
    """Ask the hooks whether the authenticated user may log in; no transaction is open.

    Raises:
        LoginDenied: a hook denied, or failed and declares that it denies.
    """
    if blocking.is_asked(kinds.BEFORE_LOGIN):
        data = {
            "user": describe_user(attempt.user_id),
            "amr": list(attempt.amr),
            "risk": attempt.assessment.decision.policy_name,
        }
        question = Question(kinds.BEFORE_LOGIN, data, attempt.context, attempt.user_id)
        attempt.failed_hooks = blocking.require_allowed(question)
    return attempt


def load_claims(attempt: LoginAttempt[object]) -> LoginAttempt[object]:
    """Ask the hooks for the claims of the user's tokens, unless they are known.

    Raises:
        ServiceUnavailable: a hook failed, and declares that no token is issued without its claims.
    """
    token_claims.load_claims(attempt.user_id, attempt.context)
    return attempt
