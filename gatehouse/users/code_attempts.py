"""The one way to count guesses of codes, for every door where one can be typed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from gatehouse.database.session import release
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.users.service import NOBODY
from gatehouse.web.request_context import Visitor


@contextmanager
def counted(
    whom: UUID | str, visitor: Visitor, wrong: type[InvalidCode] = InvalidCode
) -> Iterator[None]:
    """Count a guess of a code before the block evaluates it; sending a new code resets nothing.

    `whom` is a user's id, or the canonical form of an identifier that belongs to nobody. Whatever
    keeps the block from judging the code withdraws the count.

    Raises:
        InvalidCode: the block found it wrong, as the door's own kind `wrong`.
        TooManyAttempts: too many were wrong; this one was not evaluated.
    """
    device = devices.recognise(whom if isinstance(whom, UUID) else NOBODY, visitor)
    release()
    guess = lockout.count(whom, device.id if device else None, visitor, lockout.CODE)
    try:
        yield
    except InvalidCode:
        refusal = wrong(user_id=guess.user_id)
        refusal.aftermath = partial(notifications.after_a_wrong_guess, guess, visitor)
        raise refusal from None
    except BaseException:
        lockout.withdraw(guess)
        raise
    lockout.succeeded(guess)
