"""The contract of CAPTCHA providers: a challenge that is cheap for one user, costly for bots."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gatehouse.web.fields import String

MAX_ANSWER_LENGTH = 8192  # characters of an answer; those of reCAPTCHA Enterprise are the longest


class CaptchaFailed(Exception):
    """The answer is wrong, has expired, or was given for something else."""


class ProviderUnavailable(Exception):
    """The answer cannot be verified: the provider or its configuration does not work."""


@dataclass(frozen=True)
class VerifiedAnswer:
    """A right answer: an id that does not depend on its encoding, and its expiry."""

    answer_id: str
    expires_at: datetime


class CaptchaProvider(Protocol):
    """A CAPTCHA provider."""

    def challenge(self, action: str) -> dict[str, object]:
        """Return what a front end needs to show a CAPTCHA, as JSON."""
        ...

    def verify(self, answer: str, action: str) -> VerifiedAnswer:
        """Verify an answer, while no transaction is open; the caller rejects a used one.

        Raises:
            CaptchaFailed: the answer is wrong, or not for this action and this service.
            ProviderUnavailable: it cannot be verified. No content of an answer may cause this.
        """
        ...


def captcha_field() -> String:
    """Return the optional form field for an answer."""
    metadata = {"description": "the answer to `GET /auth/captcha`, if one is required"}
    return String(MAX_ANSWER_LENGTH, min_length=0, load_only=True, metadata=metadata)
