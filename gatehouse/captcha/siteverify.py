"""Client of the `siteverify` API that hCaptcha, Turnstile and reCAPTCHA share.

It posts a form with the secret and the client's token, and receives JSON: whether the token is
valid, its host and its action. The client's IP address is not sent.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import config
from gatehouse.captcha.provider import CaptchaFailed, ProviderUnavailable, VerifiedAnswer
from gatehouse.core import clock
from gatehouse.core.log import logger
from gatehouse.net.http_client import HttpRequest, HttpResponse, OutboundRequestFailed, send_request

TIMEOUT_SECONDS = 3.0
LIFETIME = timedelta(days=1)
"""Far longer than any provider accepts a token."""
MIN_SCORE = 0.5  # from 0 (bot) to 1 (human), for providers that return a score
CONFIGURATION_ERRORS = {"missing-input-secret", "invalid-input-secret", "internal-error"}
"""Error codes that no token can cause; one of another site key causes `sitekey-secret-mismatch`."""
SiteverifyResponse = dict[str, object]


@dataclass(frozen=True)
class SiteverifyProvider:
    """A provider that verifies answers over HTTP."""

    name: str
    url: str
    returns_action: bool
    """Whether it binds a token to an action, and returns that action."""

    def challenge(self, action: str) -> dict[str, Any]:
        """Return the parameters of the provider's own widget."""
        return {"provider": self.name, "site_key": config.settings().captcha_site_key} | (
            {"action": action} if self.returns_action else {}
        )

    def verify(self, answer: str, action: str) -> VerifiedAnswer:
        """Send the token to the provider; the token itself is the answer's id.

        Raises:
            CaptchaFailed: it is invalid, or was issued for another host or another action.
            ProviderUnavailable: there was no usable response, or our secret was rejected.
        """
        result = self._request_verification(answer)
        if result.get("success") is not True:
            self._raise_failure(result)
        if result.get("hostname") not in _allowed_hostnames() or not self._matches_action(
            action, result
        ):
            raise CaptchaFailed
        return VerifiedAnswer(answer, clock.now() + LIFETIME)

    def _request_verification(self, answer: str) -> SiteverifyResponse:
        settings = config.settings()
        form = urlencode({"secret": settings.captcha_secret, "response": answer}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = settings.captcha_verify_url or self.url
        request = HttpRequest("POST", url, headers, form, TIMEOUT_SECONDS, max_bytes=65_536)
        try:
            return self._parse_response(send_request(request))
        except OutboundRequestFailed as error:
            raise self._log_unavailable(str(error)) from None

    def _parse_response(self, response: HttpResponse) -> SiteverifyResponse:
        """Return the result; a 4xx without one is due to the token, all that clients control."""
        try:
            result = json.loads(response.body)
        except (ValueError, RecursionError):
            result = None
        if isinstance(result, dict) and "success" in result and response.status < 500:
            return result
        if 400 <= response.status < 500 and response.status != 429:
            raise CaptchaFailed
        raise self._log_unavailable(f"It answered {response.status} without a result.")

    def _raise_failure(self, result: SiteverifyResponse) -> None:
        listed = result.get("error-codes")
        codes = {str(code) for code in listed} if isinstance(listed, list) else set()
        if errors := sorted(codes & CONFIGURATION_ERRORS):
            raise self._log_unavailable(f"It returned {', '.join(errors)}.")
        raise CaptchaFailed

    def _matches_action(self, action: str, result: SiteverifyResponse) -> bool:
        """Return whether the token is for this action, and its score, if any, is high enough."""
        score = result.get("score", 1)
        if not isinstance(score, int | float) or score < MIN_SCORE:
            return False
        returned: object = result.get("action")
        return returned == action or (returned is None and not self.returns_action)

    def _log_unavailable(self, reason: str) -> ProviderUnavailable:
        logger().error("The CAPTCHA provider cannot be used.", provider=self.name, reason=reason)
        return ProviderUnavailable(reason)


def _allowed_hostnames() -> list[str | None]:
    """Return the hosts of our front ends; tokens issued for other hosts are rejected."""
    settings = config.settings()
    return [urlsplit(one).hostname for one in (settings.public_url, *settings.allowed_origins)]
