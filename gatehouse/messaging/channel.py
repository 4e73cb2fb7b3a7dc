"""The contract of a delivery channel, and of the file that describes one."""

from collections.abc import Sequence
from typing import Protocol

import config
from gatehouse.messaging.message import Message


class Channel(Protocol):
    """Carries messages away; many threads use it at once."""

    @property
    def name(self) -> str:
        """Where it leads, for logs, such as `smtp mail.example.com`; tells no secret."""
        ...

    def send(self, message: Message) -> None:
        """Hand the message over, within a bounded time; its body never reaches a log.

        Raises:
            DeliveryFailed: it was not handed over, or nobody can tell.
        """
        ...


class Kind(Protocol):
    """A `piece` on the shelf of channels: makes the channels that the settings ask for."""

    carries: tuple[str, ...]
    """Of `email` and `sms`, what it is made for."""

    def open(self, settings: config.Settings) -> Sequence[Channel]:
        """Return the channels in the order in which they are tried; nothing is connected yet.

        Raises:
            ValueError: a sentence that says what is wrong with the settings.
        """
        ...
