"""ALTCHA: a proof of work that this service issues and verifies itself, without a third party.

The client computes a few hundred PBKDF2 keys until one matches; the service computes one. A
challenge is signed with a key of its action and contains its expiry, so no row is stored for it.
"""

from binascii import Error as NotBase64
from datetime import UTC, datetime, timedelta

from altcha import Challenge, Payload, create_challenge, verify_solution

import config
from gatehouse.captcha.provider import CaptchaFailed, VerifiedAnswer
from gatehouse.core import clock, crypto, crypto_labels

ALGORITHM = "PBKDF2/SHA-256"  # implemented natively in browsers
MIN_ITERATIONS = 200
"""A solver needs this many tries and up to 500 more: bad luck never makes it a thousand."""
LIFETIME = timedelta(minutes=10)


class Altcha:
    """Issues and verifies proofs of work (ALTCHA, version 2 of its protocol)."""

    def challenge(self, action: str) -> dict[str, object]:
        """Return a challenge for the ALTCHA widget."""
        created: Challenge = create_challenge(
            ALGORITHM,
            config.settings().captcha_cost,
            counter=MIN_ITERATIONS + int(crypto.random_digits(3)) // 2,
            expires_at=clock.now() + LIFETIME,
            hmac_secret=_secrets(action)[0],
        )
        return created.to_dict()

    def verify(self, answer: str, action: str) -> VerifiedAnswer:
        """Verify the work; the challenge's nonce is the id, as an answer has many encodings.

        Raises:
            CaptchaFailed: the work is wrong, or its challenge expired or is not of this service.
        """
        payload = _parse_answer(answer)
        if not any(verify_solution(payload, secret).verified for secret in _secrets(action)):
            raise CaptchaFailed
        parameters = payload.challenge.parameters
        expires_at = datetime.fromtimestamp(parameters.expires_at or 0, UTC)
        return VerifiedAnswer(parameters.nonce, expires_at)


def _parse_answer(answer: str) -> Payload:
    try:
        return Payload.from_base64(answer)
    except (NotBase64, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CaptchaFailed from None


def _secrets(action: str) -> list[str]:
    """Return the keys that sign the challenges of an action, the active one first."""
    return crypto.keyed_digests(crypto_labels.CAPTCHA, action)


plugin = Altcha()
