"""The contracts of delivery channels and of the plugins that create them."""

from collections.abc import Sequence
from typing import Protocol

import config
from gatehouse.messaging.message import Message


class Channel(Protocol):
    """Delivers messages; it must be thread-safe."""

    @property
    def name(self) -> str:
        """The destination, for logs, such as `smtp mail.example.com`; without secrets."""
        ...

    def send(self, message: Message) -> None:
        """Deliver the message, within a bounded time; never log its body.

        Raises:
            DeliveryFailed: it was not delivered, or the outcome is unknown.
        """
        ...


class ChannelFactory(Protocol):
    """The `plugin` of a file in `channels/`: creates the channels that the settings name."""

    message_types: tuple[str, ...]
    """`email`, `sms` or both."""

    def create(self, settings: config.Settings) -> Sequence[Channel]:
        """Return the channels in the order in which they are tried; make no connection yet.

        Raises:
            ValueError: the settings are wrong; the message is a sentence for the operator.
        """
        ...
