"""The contract of a CAPTCHA: something that a person's browser solves and a robot pays for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gatehouse.web.fields import Text

LONGEST = 8192  # characters of an answer; those of reCAPTCHA Enterprise are the longest


class Unsolved(Exception):
    """The answer is wrong, stale, or was given for something else."""


class ProviderDown(Exception):
    """Nobody can tell whether the answer is right: the provider, or its set-up, is out of order."""


@dataclass(frozen=True)
class Solved:
    """A right answer: what it is known by, however it was written down, and how long it is good."""

    identity: str
    expires_at: datetime


class Puzzle(Protocol):
    """A kind of CAPTCHA."""

    def challenge(self, action: str) -> dict[str, Any]:
        """Return what a front end needs to have one solved, as JSON."""
        ...

    def verify(self, answer: str, action: str) -> Solved:
        """Return what is known of a right answer; no transaction is open meanwhile.

        That it is used once is the caller's part.

        Raises:
            Unsolved: it is no right answer, or not for this action and this service.
            ProviderDown: nobody can tell. No answer, whatever is in it, may lead to this.
        """
        ...


def captcha_field() -> Text:
    """Return the optional field of a form that holds an answer."""
    about = {"description": "the answer to `GET /auth/captcha`, when it was asked for"}
    return Text(LONGEST, shortest=0, load_only=True, metadata=about)
