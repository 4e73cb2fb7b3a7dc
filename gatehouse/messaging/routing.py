"""Message routing: the configured channels of a message type are tried in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

import config
from gatehouse.core import clock, plugins
from gatehouse.core.log import logger
from gatehouse.messaging.channel import Channel, ChannelFactory
from gatehouse.messaging.message import DeliveryFailed, Message

PACKAGE = "gatehouse.messaging.channels"
MESSAGE_TYPE_NAMES = {"email": "e-mail", "sms": "SMS"}
FAILOVER_TIMEOUT = 30.0
"""Seconds after which no further channel is tried; the message is retried later."""


@dataclass(frozen=True)
class MessageRouter:
    """Composite channel with failover: tries the channels of a message type in order."""

    channels_by_type: Mapping[str, Sequence[Channel]]
    name: str = "routes"

    def send(self, message: Message) -> None:
        """Deliver a message by the first channel that accepts it.

        Raises:
            DeliveryFailed: no channel accepted it, or one failed permanently.
        """
        failures: list[DeliveryFailed] = []
        started = clock.monotonic()
        for channel in self.channels_by_type[message.channel]:
            if clock.monotonic() - started > FAILOVER_TIMEOUT:
                break
            try:
                return channel.send(message)
            except DeliveryFailed as failure:
                if failure.permanent:
                    raise
                failures.append(failure)
                _log_failure(channel, message, failure)
        raise _combine_failures(failures, message)

    @property
    def types_without_channel(self) -> tuple[str, ...]:
        """The message types (`email`, `sms`) without a channel."""
        return tuple(name for name, channels in self.channels_by_type.items() if not channels)


def set_up(app: Flask) -> None:
    """Create the configured channels and the router of an application.

    Raises:
        ConfigurationError: a channel or gateway is unknown or incompletely configured.
    """
    settings = config.settings_of(app)
    configured = {"email": settings.mail_channels, "sms": settings.sms_channels}
    try:
        channels = {
            message_type: tuple(create_channels(message_type, names, settings))
            for message_type, names in configured.items()
        }
    except (LookupError, ValueError) as error:
        raise config.ConfigurationError(str(error.args[0])) from None
    app.extensions["gatehouse.router"] = MessageRouter(channels)


def create_channels(
    message_type: str, names: Sequence[str], settings: config.Settings
) -> Iterator[Channel]:
    """Create the named channels for `email` or `sms`, in order.

    Raises:
        LookupError, ValueError: one is unknown or incompletely configured; a sentence says which.
    """
    for name, plugin in plugins.load(PACKAGE, names).items():
        factory: ChannelFactory = plugin
        if message_type not in factory.message_types:
            type_name = MESSAGE_TYPE_NAMES[message_type]
            raise ValueError(f"The channel {name} does not deliver {type_name}.")
        yield from factory.create(settings)


def get_router(app: Flask) -> MessageRouter:
    """Return the router of an application."""
    return cast(MessageRouter, app.extensions["gatehouse.router"])


def warn_of_missing_channels(app: Flask) -> None:
    """Log a warning for each message type without a channel: its messages stay in the outbox."""
    for message_type in get_router(app).types_without_channel:
        logger().warning(
            f"No channel delivers {MESSAGE_TYPE_NAMES[message_type]}; it stays in the outbox.",
            kind=message_type,
        )


def send_message(message: Message) -> None:
    """Deliver a message; needs an application context.

    Raises:
        DeliveryFailed: no channel accepted it.
    """
    get_router(current_app).send(message)


def _log_failure(channel: Channel, message: Message, failure: DeliveryFailed) -> None:
    fields = {"channel": channel.name, "message": str(message.id), "reason": str(failure)}
    logger().warning("A channel did not accept a message.", **fields)


def _combine_failures(failures: Sequence[DeliveryFailed], message: Message) -> DeliveryFailed:
    """Combine failures; `retry_after` is their minimum if all of them have one."""
    if not failures:
        return DeliveryFailed(f"No channel delivers {MESSAGE_TYPE_NAMES[message.channel]}.")
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    wait = min(waits) if len(waits) == len(failures) else None
    return DeliveryFailed(" ".join(map(str, failures)), retry_after=wait)
