"""The one client of hCaptcha, Turnstile and reCAPTCHA: they share the shape of `siteverify`.

A form with our secret and the visitor's token is posted; JSON says whether the token is good, and
on which host and for what it was made. The visitor's address is not sent.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import config
from gatehouse.captcha.provider import ProviderDown, Solved, Unsolved
from gatehouse.core import clock
from gatehouse.core.log import log
from gatehouse.net.http_client import Answer, Call, OutboundFailed, send

SECONDS = 3.0
LIFETIME = timedelta(days=1)
"""Far longer than any provider honours a token."""
LOWEST_SCORE = 0.5  # of 0 (a robot) to 1 (a person), where a provider tells one
OURS = {"missing-input-secret", "invalid-input-secret", "internal-error"}
"""The error codes that no token of a visitor leads to; one of another site key would lead to
`sitekey-secret-mismatch`."""
Verdict = dict[str, Any]


@dataclass(frozen=True)
class Siteverify:
    """A provider that judges answers for us."""

    name: str
    url: str
    tells_action: bool
    """Whether it binds a token to an action, and says to which."""

    def challenge(self, action: str) -> dict[str, Any]:
        """Return what the provider's own widget wants to know."""
        return {"provider": self.name, "site_key": config.settings().captcha_site_key} | (
            {"action": action} if self.tells_action else {}
        )

    def verify(self, answer: str, action: str) -> Solved:
        """Ask the provider; a token is known by itself.

        Raises:
            Unsolved: the provider says so, or the token was made elsewhere or for something else.
            ProviderDown: it did not say anything, or cannot with the secret that it was sent.
        """
        verdict = self._ask(answer)
        if verdict.get("success") is not True:
            self._refuse(verdict)
        if verdict.get("hostname") not in _hosts() or not self._is_for(action, verdict):
            raise Unsolved
        return Solved(answer, clock.now() + LIFETIME)

    def _ask(self, answer: str) -> Verdict:
        settings = config.settings()
        form = urlencode({"secret": settings.captcha_secret, "response": answer}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        url = settings.captcha_verify_url or self.url
        try:
            return self._read(send(Call("POST", url, kind, form, SECONDS, most=65_536)))
        except OutboundFailed as failed:
            raise self._down(str(failed)) from None

    def _read(self, answer: Answer) -> Verdict:
        """Return the verdict; a 4xx without one is about the token, for the rest is ours."""
        try:
            verdict = json.loads(answer.body)
        except (ValueError, RecursionError):
            verdict = None
        if isinstance(verdict, dict) and "success" in verdict and answer.status < 500:
            return verdict
        if 400 <= answer.status < 500 and answer.status != 429:
            raise Unsolved
        raise self._down(f"It answered {answer.status} without a verdict.")

    def _refuse(self, verdict: Verdict) -> None:
        told = verdict.get("error-codes")
        codes = {str(code) for code in told} if isinstance(told, list) else set()
        if codes & OURS:
            raise self._down(f"It said {', '.join(sorted(codes & OURS))}.")
        raise Unsolved

    def _is_for(self, action: str, verdict: Verdict) -> bool:
        """Tell whether the token is for this action, and of a person as far as a score tells."""
        score = verdict.get("score", 1)
        if not isinstance(score, int | float) or score < LOWEST_SCORE:
            return False
        told: object = verdict.get("action")
        return told == action or (told is None and not self.tells_action)

    def _down(self, reason: str) -> ProviderDown:
        log().error("The CAPTCHA provider cannot be used.", provider=self.name, reason=reason)
        return ProviderDown(reason)


def _hosts() -> list[str | None]:
    """Return the hosts of the front ends: a token that was made elsewhere is somebody else's."""
    settings = config.settings()
    return [urlsplit(one).hostname for one in (settings.public_url, *settings.allowed_origins)]
