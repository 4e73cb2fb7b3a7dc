"""The contract of a delivery channel."""

from typing import Protocol

from gatehouse.delivery.message import Message


class Channel(Protocol):
    """Carries messages away."""

    def send(self, message: Message) -> None:
        """Hand the message over, within a bounded time; its body never reaches a log.

        Raises:
            DeliveryFailed: it was not handed over.
        """
        ...
