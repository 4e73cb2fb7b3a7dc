"""SMS gateways: one HTTP request for each text, described by a file.

A gateway that is down, too busy or not content with us is temporary: the text waits, or goes by the
next gateway. Only what the description calls `refused`, a number that gets no texts, is final.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime

import config
from gatehouse.core import clock
from gatehouse.core.log import log
from gatehouse.messaging import sms_gateway
from gatehouse.messaging.channel import Channel
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.sms_gateway import Caller, Gateway
from gatehouse.net import http_client
from gatehouse.web.fields import UNSTORABLE

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164."""
OURS = (401, 402, 403)
"""They do not know us, or want money first: somebody has to do something."""
LONGEST_WAIT = 3600.0  # seconds


class SmsHttp:
    """One gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.name, self.gateway = f"sms_http {gateway.name}", gateway

    def send(self, message: Message) -> None:
        """Hand a text over, in an application's context."""
        if not NUMBER.fullmatch(message.recipient) or UNSTORABLE.search(message.text):
            raise DeliveryFailed("This is no number, or no text.", permanent=True)
        self._judge(self._ask(message))

    def _ask(self, message: Message) -> http_client.Answer:
        try:
            return http_client.send(self.gateway.call(message))
        except http_client.OutboundRefused as problem:
            log().error("An SMS gateway may not be called.", channel=self.name, reason=str(problem))
            raise DeliveryFailed(f"{self.name} may not be called. {problem}") from None
        except http_client.OutboundFailed as problem:
            raise DeliveryFailed(f"{self.name} is of no use. {problem}") from None

    def _judge(self, answer: http_client.Answer) -> None:
        """Return if the text was accepted."""
        body, said = sms_gateway.read_json(answer), self.gateway.error(answer)
        if any(rule.fits(answer.status, body) for rule in self.gateway.accepted):
            return
        if any(rule.fits(answer.status, body) for rule in self.gateway.refused):
            reason = f"{self.name} refused the number or the text: {said}."
            raise DeliveryFailed(reason, permanent=True)
        if answer.status in OURS:
            log().error("An SMS gateway does not accept us.", channel=self.name, said=said)
        wait = _wait(answer.headers.get("Retry-After", ""))
        raise DeliveryFailed(f"{self.name} said {said}.", retry_after=wait)


def _wait(told: str) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 section 10.2.3), an hour at most."""
    if told.isascii() and told.isdecimal():
        return min(float(told[:9]), LONGEST_WAIT)
    with suppress(ValueError, TypeError):  # no date, or one without a zone
        seconds = (parsedate_to_datetime(told) - clock.now()).total_seconds()
        return max(0.0, min(seconds, LONGEST_WAIT))
    return None


class SmsGateways:
    """All gateways of GATEHOUSE_SMS_GATEWAY."""

    carries = ("sms",)

    def open(self, settings: config.Settings) -> Sequence[Channel]:
        """Return a channel for each gateway."""
        names = settings.sms_gateway
        if not names:
            raise ValueError("The channel sms_http needs GATEHOUSE_SMS_GATEWAY.")
        given = (settings.sms_account, settings.sms_secret, settings.sms_from)
        callers = zip(*(_for_each(value, len(names)) for value in given), strict=True)
        described = zip(names, callers, strict=True)
        return [SmsHttp(sms_gateway.load(name, Caller(*values))) for name, values in described]


def _for_each(value: str, number: int) -> Sequence[str]:
    """Return a value for each gateway; for one alone it is taken as it is."""
    parts = [part.strip() for part in value.split(",")] if number > 1 else [value]
    return parts if len(parts) == number else parts * number


piece = SmsGateways()
