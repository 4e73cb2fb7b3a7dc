"""CAPTCHA policy: which requests need a CAPTCHA, and that each answer is used once.

`after_failures` requires one of suspicious requests: for registration and password reset, many
requests of a network within an hour; for login, wrong passwords of a network for this account or
for many accounts, or an active credential-stuffing alarm. Known devices never need one. Counters
depend only on what clients sent, never on which accounts exist, and are committed first.
"""

from dataclasses import dataclass
from uuid import UUID

from flask import g
from sqlalchemy import bindparam, delete, text

import config
from gatehouse.captcha.provider import (
    CaptchaFailed,
    CaptchaProvider,
    ProviderUnavailable,
    VerifiedAnswer,
)
from gatehouse.core import clock, crypto, crypto_labels, metrics, plugins
from gatehouse.core.errors import ApiError, ServiceUnavailable
from gatehouse.database.session import UTCDateTime, autonomous_transaction, db, end_transaction
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.web.rate_limit_storage import DatabaseCounters
from gatehouse.web.request_context import RequestContext
from models import UsedCaptchaAnswer

PACKAGE = "gatehouse.captcha.providers"
ACTIONS = ("register", "forgot", "login")
OFF, AFTER_FAILURES, ALWAYS = "off", "after_failures", "always"
WINDOW = 3600  # seconds
REQUESTS_THRESHOLD = 10
"""Registrations, or password resets, of a network within the window that need no CAPTCHA."""
FAILURES_THRESHOLD = 3
"""Wrong passwords in a row for one account from which a network needs a CAPTCHA; an IPv6 prefix
from four times as many. Elsewhere in this module a network is an IPv6 prefix."""
ACCOUNTS_THRESHOLD = 50
"""Accounts with wrong passwords within the window from which a network needs one for any login."""
INSERT_USED_ANSWER = text(
    "INSERT INTO used_captcha_answers (key, expires_at) VALUES (:key, :expires_at)"
    " ON CONFLICT (key) DO NOTHING RETURNING key"
).bindparams(bindparam("expires_at", type_=UTCDateTime))


class CaptchaRequired(ApiError):
    """Solve a CAPTCHA first, and send its answer as `captcha`."""

    status = 403
    code = "captcha_required"

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action

    @property
    def members(self) -> dict[str, object]:
        """Name the endpoint of the CAPTCHA."""
        endpoint = f"GET /auth/captcha?action={self.action}"
        return {"next": f"Get a CAPTCHA from {endpoint}, and repeat the request with its answer."}


class CaptchaWrong(CaptchaRequired):
    """This answer is wrong, has expired, was used before, or belongs to another action."""


class CaptchaUnavailable(ServiceUnavailable):
    """The CAPTCHA cannot be verified at the moment; nothing was changed."""


@dataclass(frozen=True)
class CaptchaCheck:
    """The result of the CAPTCHA check of a login that may go on to the password."""

    counter_key: str = ""
    """The counter in which the login was counted in advance; empty if it was not."""
    solved: bool = False
    """Whether a CAPTCHA was required, and its answer consumed."""


def create_challenge(action: str) -> dict[str, object]:
    """Return what a front end needs to show a CAPTCHA."""
    return _provider().challenge(action)


def is_always_required(action: str) -> bool:
    """Return whether each request of this action needs an answer, so that pages solve it first."""
    return _policy(action) == ALWAYS


def check_request(action: str, answer: str | None, context: RequestContext) -> None:
    """Check the CAPTCHA of a request to `register` or `forgot`, if it needs one.

    Raises:
        CaptchaRequired, CaptchaWrong: it needs one, and has no valid answer.
        CaptchaUnavailable: the policy is `always`, and the answer cannot be verified.
    """
    policy = _policy(action)
    if policy == OFF:
        return
    if policy == ALWAYS or _increment(_counter_key(action, context)) > REQUESTS_THRESHOLD:
        verify_answer(action, answer)


def check_login(
    subject: UUID | str, device_id: UUID | None, answer: str | None, context: RequestContext
) -> CaptchaCheck:
    """Check the CAPTCHA of a login, if it needs one.

    `subject` is a user's id, or the canonical form of an unknown identifier; `device_id` is the
    device on which that user has signed in before. A login that the lockout blocks needs none, as
    a CAPTCHA would not unblock it.

    Raises:
        CaptchaRequired, CaptchaWrong, CaptchaUnavailable: as with `check_request`.
    """
    policy = _policy("login")
    if policy == ALWAYS:
        verify_answer("login", answer)
        return CaptchaCheck(solved=True)
    if policy != AFTER_FAILURES or device_id:
        return CaptchaCheck()
    state, counter = lockout.get_state(subject, context), _counter_key("login", context)
    if state.is_blocked:
        return CaptchaCheck()
    required = (
        state.failures >= FAILURES_THRESHOLD
        or _counter_storage().get(counter) >= ACCOUNTS_THRESHOLD
        or credential_stuffing.is_active(context.ip_prefix)
    )
    if required:
        verify_answer("login", answer)
    return CaptchaCheck(solved=required) if state.failures else _count_in_advance(counter, required)


def release_count(check: CaptchaCheck) -> None:
    """Take back the advance count of a login after its password was right."""
    if check.counter_key:
        end_transaction()
        _counter_storage().subtract(check.counter_key)


def purge_used_answers() -> None:
    """Delete used answers an hour after they expired, to tolerate clock differences."""
    db.session.execute(
        delete(UsedCaptchaAnswer).where(UsedCaptchaAnswer.expires_at < clock.now() - clock.HOUR)
    )


def verify_answer(action: str, answer: str | None) -> None:
    """Verify an answer and consume it, outside any transaction.

    A request that runs again after a conflict of transactions has verified its answer already.

    Raises:
        CaptchaRequired: there is no answer.
        CaptchaWrong: it is wrong, has expired, or was used before.
        CaptchaUnavailable: the policy is `always`, and the answer cannot be verified.
    """
    if not answer:
        metrics.CAPTCHAS.labels(action, "asked").inc()
        raise CaptchaRequired(action)
    if g.get("verified_captcha") == (action, answer):
        return
    end_transaction()
    try:
        consume_answer(_provider().verify(answer, action))
        g.verified_captcha = (action, answer)
    except CaptchaFailed:
        metrics.CAPTCHAS.labels(action, "wrong").inc()
        raise CaptchaWrong(action) from None
    except ProviderUnavailable:
        metrics.CAPTCHAS.labels(action, "unanswered").inc()
        if _policy(action) == ALWAYS:
            raise CaptchaUnavailable from None
        return  # rate limits and lockout still apply
    metrics.CAPTCHAS.labels(action, "solved").inc()


def consume_answer(answer: VerifiedAnswer) -> None:
    """Mark an answer as used, and commit.

    Raises:
        CaptchaFailed: it was used before.
    """
    row = {
        "key": crypto.digest(f"{crypto_labels.CAPTCHA_ANSWER_PREFIX}{answer.answer_id}"),
        "expires_at": answer.expires_at,
    }
    with autonomous_transaction() as connection:
        if connection.execute(INSERT_USED_ANSWER, row).first() is None:
            raise CaptchaFailed


def _policy(action: str) -> str:
    settings = config.settings()
    policies = {
        "register": settings.captcha_register,
        "forgot": settings.captcha_password_reset,
        "login": settings.captcha_login,
    }
    return policies[action]


def _provider() -> CaptchaProvider:
    name = config.settings().captcha
    provider: CaptchaProvider = plugins.load(PACKAGE, [name])[name]
    return provider


def _counter_key(action: str, context: RequestContext) -> str:
    digest = crypto.keyed_digest(crypto_labels.CAPTCHA_FAILURES, context.ip_prefix)
    return f"{crypto_labels.CAPTCHA_FAILURES}:{action}:{digest[:32]}"


def _count_in_advance(counter_key: str, solved: bool) -> CaptchaCheck:
    """Count an account that this network attempts first now, until its password is right."""
    _increment(counter_key)
    return CaptchaCheck(counter_key, solved)


def _increment(counter_key: str) -> int:
    end_transaction()
    return _counter_storage().incr(counter_key, WINDOW)


def _counter_storage() -> DatabaseCounters:
    return DatabaseCounters("db://")
