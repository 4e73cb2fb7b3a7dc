"""ALTCHA: a proof of work that this service sets and checks itself; nobody else is asked.

Who has to be slowed down computes a few hundred PBKDF2 keys until one matches; we compute one. The
challenge is signed, with a key of its action, and says when it expires; no row is written for it.
"""

from binascii import Error as NotBase64
from datetime import UTC, datetime, timedelta
from typing import Any

from altcha import Challenge, Payload, create_challenge, verify_solution

import config
from gatehouse.captcha.provider import Solved, Unsolved
from gatehouse.core import clock, crypto

ALGORITHM = "PBKDF2/SHA-256"  # which browsers compute in their own code
FEWEST = 200
"""Tries of a solver: so many, and up to 500 more; no slow phone has a thousand by bad luck."""
LIFETIME = timedelta(minutes=10)


class Altcha:
    """Sets and checks proofs of work (ALTCHA, version 2 of its protocol)."""

    def challenge(self, action: str) -> dict[str, Any]:
        """Return a challenge as the ALTCHA widget reads it."""
        made: Challenge = create_challenge(
            ALGORITHM,
            config.settings().captcha_cost,
            counter=FEWEST + int(crypto.code(3)) // 2,
            expires_at=clock.now() + LIFETIME,
            hmac_secret=_secrets(action)[0],
        )
        return made.to_dict()

    def verify(self, answer: str, action: str) -> Solved:
        """Return the challenge's nonce: the answer around it can be written in many ways.

        Raises:
            Unsolved: the work was not done, or for another challenge than a fresh one of ours.
        """
        payload = _read(answer)
        if not any(verify_solution(payload, secret).verified for secret in _secrets(action)):
            raise Unsolved
        parameters = payload.challenge.parameters
        expires_at = datetime.fromtimestamp(parameters.expires_at or 0, UTC)
        return Solved(parameters.nonce, expires_at)


def _read(answer: str) -> Payload:
    try:
        return Payload.from_base64(answer)
    except (NotBase64, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unsolved from None


def _secrets(action: str) -> list[str]:
    """Return the keys that sign an action's challenges, the active one first."""
    return crypto.keyed_digests("captcha", action)


piece = Altcha()
