"""SMS gateways over HTTP: one request for each SMS, described by a file.

Errors of the gateway or of our account are temporary: the SMS waits or goes by the next gateway.
Only a response that matches `refused` in the file (a number without SMS) is permanent.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime

import config
from gatehouse.core import clock
from gatehouse.core.log import logger
from gatehouse.messaging import sms_gateway
from gatehouse.messaging.channel import Channel
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.sms_gateway import Credentials, Gateway
from gatehouse.net import http_client
from gatehouse.web.fields import UNSTORABLE

E164_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164."""
ACCOUNT_ERRORS = (401, 402, 403)
"""Wrong credentials or no credit: the operator has to act."""
MAX_RETRY_AFTER = 3600.0  # seconds


class SmsHttpChannel:
    """Delivers SMS by one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.name, self.gateway = f"sms_http {gateway.name}", gateway

    def send(self, message: Message) -> None:
        """Deliver an SMS; needs an application context."""
        if not E164_NUMBER.fullmatch(message.recipient) or UNSTORABLE.search(message.text):
            raise DeliveryFailed("The phone number or the text is invalid.", permanent=True)
        self._require_accepted(self._send_request(message))

    def _send_request(self, message: Message) -> http_client.HttpResponse:
        try:
            return http_client.send_request(self.gateway.build_request(message))
        except http_client.OutboundRequestBlocked as error:
            logger().error(
                "An SMS gateway may not be called.", channel=self.name, reason=str(error)
            )
            raise DeliveryFailed(f"{self.name} may not be called. {error}") from None
        except http_client.OutboundRequestFailed as error:
            raise DeliveryFailed(f"{self.name} is unavailable. {error}") from None

    def _require_accepted(self, response: http_client.HttpResponse) -> None:
        """Return if the gateway accepted the SMS."""
        body, status = sms_gateway.parse_json(response), self.gateway.describe_error(response)
        if any(rule.matches(response.status, body) for rule in self.gateway.accepted):
            return
        if any(rule.matches(response.status, body) for rule in self.gateway.refused):
            reason = f"{self.name} rejected the number or the text: {status}."
            raise DeliveryFailed(reason, permanent=True)
        if response.status in ACCOUNT_ERRORS:
            logger().error("An SMS gateway does not accept us.", channel=self.name, status=status)
        wait = _parse_retry_after(response.headers.get("Retry-After", ""))
        raise DeliveryFailed(f"{self.name} replied {status}.", retry_after=wait)


def _parse_retry_after(value: str) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 section 10.2.3), at most an hour."""
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), MAX_RETRY_AFTER)
    with suppress(ValueError, TypeError):  # not a date, or without a time zone
        seconds = (parsedate_to_datetime(value) - clock.now()).total_seconds()
        return max(0.0, min(seconds, MAX_RETRY_AFTER))
    return None


class SmsHttpFactory:
    """Creates the gateways of GATEHOUSE_SMS_GATEWAY."""

    message_types = ("sms",)

    def create(self, settings: config.Settings) -> Sequence[Channel]:
        """Return a channel for each gateway."""
        names = settings.sms_gateway
        if not names:
            raise ValueError("The channel sms_http needs GATEHOUSE_SMS_GATEWAY.")
        options = (settings.sms_account, settings.sms_secret, settings.sms_from)
        columns = (_split_per_gateway(value, len(names)) for value in options)
        credentials = zip(*columns, strict=True)
        return [
            SmsHttpChannel(sms_gateway.load_gateway(name, Credentials(*values)))
            for name, values in zip(names, credentials, strict=True)
        ]


def _split_per_gateway(value: str, count: int) -> Sequence[str]:
    """Return one value per gateway from a comma-separated list; one gateway gets it unsplit."""
    parts = [part.strip() for part in value.split(",")] if count > 1 else [value]
    return parts if len(parts) == count else parts * count


plugin = SmsHttpFactory()
