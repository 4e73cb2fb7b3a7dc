"""When a CAPTCHA is asked for, and that an answer is good for one request.

`after_failures` asks those who look like a robot: at registering and recovering a network that sent
many requests within an hour; at a login a network that was wrong about this account, or about many
accounts, and everybody whom a raised guard is about. A known device is never asked. All counts are
of what somebody sent, never of what there is, and are committed before the request goes on.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, text

import config
from gatehouse.captcha.provider import ProviderDown, Puzzle, Solved, Unsolved
from gatehouse.core import clock, crypto, metrics, plugins
from gatehouse.core.errors import Refusal, ServiceUnavailable
from gatehouse.database.session import UTCDateTime, apart, db, release
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.web.rate_limit_storage import DatabaseCounters
from gatehouse.web.request_context import Visitor
from models import Spent

SHELF = "gatehouse.captcha.providers"
ACTIONS = ("register", "forgot", "login")
OFF, AFTER_FAILURES, ALWAYS = "off", "after_failures", "always"
WINDOW = 3600  # seconds
REQUESTS = 10
"""So many registrations, or recoveries, of a network pass in the window unasked."""
FAILURES = 3
"""After so many wrong passwords in a row a network is asked, at this account; an IPv6 site after
four times as many. Elsewhere here a network is an IPv6 site."""
ACCOUNTS = 50
"""After wrong passwords for so many accounts in the window a network is asked, at every account."""
SPEND = text(
    "INSERT INTO spent (key, expires_at) VALUES (:key, :expires_at)"
    " ON CONFLICT (key) DO NOTHING RETURNING key"
).bindparams(bindparam("expires_at", type_=UTCDateTime))


class CaptchaRequired(Refusal):
    """A CAPTCHA has to be solved first: send its answer along as `captcha`."""

    status = 403
    code = "captcha_required"

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action

    @property
    def members(self) -> dict[str, Any]:
        """Where the CAPTCHA is."""
        where = f"GET /auth/captcha?action={self.action}"
        return {"next": f"Have the answer of {where} solved, and send the request again with it."}


class CaptchaWrong(CaptchaRequired):
    """This answer is wrong, has expired, was used before or was meant for another action."""


class CaptchaUnavailable(ServiceUnavailable):
    """Nobody can tell at the moment whether the CAPTCHA was solved; nothing was changed."""


@dataclass(frozen=True)
class Admission:
    """A login that goes on to the password, and where it was counted in advance."""

    counted: str = ""
    solved: bool = False
    """Whether a CAPTCHA was asked for, and its answer spent."""


def challenge(action: str) -> dict[str, Any]:
    """Return what a front end needs to have a CAPTCHA solved."""
    return _puzzle().challenge(action)


def require(action: str, answer: str | None, visitor: Visitor) -> None:
    """Return if this request, to `register` or `forgot`, needs no CAPTCHA or brought a good answer.

    Raises:
        CaptchaRequired: it needs one.
        CaptchaUnavailable: it always does, and nobody can tell whether this one is good.
    """
    policy = _policy(action)
    if policy == OFF:
        return
    if policy == ALWAYS or _count(_counter(action, visitor)) > REQUESTS:
        solve(action, answer)


def admit(
    whom: UUID | str, device_id: UUID | None, answer: str | None, visitor: Visitor
) -> Admission:
    """Return if this login needs no CAPTCHA or brought a good answer.

    `whom` is a user's id, or the canonical form of an identifier that belongs to nobody;
    `device_id` is the device on which that user has signed in before. Where the lockout makes the
    login wait it goes on: a CAPTCHA opens no lock, so nobody is asked for one.

    Raises:
        CaptchaRequired, CaptchaUnavailable: as with `require`.
    """
    policy = _policy("login")
    if policy == ALWAYS:
        solve("login", answer)
        return Admission(solved=True)
    if policy != AFTER_FAILURES or device_id:
        return Admission()
    standing, counter = lockout.standing(whom, visitor), _counter("login", visitor)
    if standing.waits:
        return Admission()
    guessed = standing.failures >= FAILURES or _counters().get(counter) >= ACCOUNTS
    asked = guessed or credential_stuffing.is_raised(visitor.site)
    if asked:
        solve("login", answer)
    return Admission(solved=asked) if standing.failures else _counted(counter, asked)


def succeeded(admission: Admission) -> None:
    """Take the count of a login back whose password was right."""
    if admission.counted:
        release()
        _counters().incr(admission.counted, WINDOW, -1)


def purge() -> None:
    """Forget the answers that have expired, an hour late for the sake of other clocks."""
    db.session.execute(delete(Spent).where(Spent.expires_at < clock.now() - clock.HOUR))


def solve(action: str, answer: str | None) -> None:
    """Return if the answer is good, and spend it; no transaction is open.

    Raises:
        CaptchaRequired, CaptchaUnavailable: as with `require`.
    """
    if not answer:
        metrics.CAPTCHAS.labels(action, "asked").inc()
        raise CaptchaRequired(action)
    release()
    try:
        spend(_puzzle().verify(answer, action))
    except Unsolved:
        metrics.CAPTCHAS.labels(action, "wrong").inc()
        raise CaptchaWrong(action) from None
    except ProviderDown:
        metrics.CAPTCHAS.labels(action, "unanswered").inc()
        if _policy(action) == ALWAYS:
            raise CaptchaUnavailable from None
        return  # the limits and the lockout hold without it
    metrics.CAPTCHAS.labels(action, "solved").inc()


def spend(solved: Solved) -> None:
    """Use an answer up, and commit that.

    Raises:
        Unsolved: it was used before.
    """
    row = {"key": crypto.digest(f"captcha:{solved.identity}"), "expires_at": solved.expires_at}
    with apart() as connection:
        if connection.execute(SPEND, row).first() is None:
            raise Unsolved


def _policy(action: str) -> str:
    policy: str = getattr(config.settings(), f"captcha_{action}")
    return policy


def _puzzle() -> Puzzle:
    name = config.settings().captcha
    puzzle: Puzzle = plugins.load(SHELF, [name])[name]
    return puzzle


def _counter(action: str, visitor: Visitor) -> str:
    return f"robots:{action}:{crypto.keyed_digest('robots', visitor.site)[:32]}"


def _counted(counter: str, solved: bool) -> Admission:
    """Count an account that this network begins to guess at, until its password proves right."""
    _count(counter)
    return Admission(counter, solved)


def _count(counter: str) -> int:
    release()
    return _counters().incr(counter, WINDOW)


def _counters() -> DatabaseCounters:
    return DatabaseCounters("db://")
