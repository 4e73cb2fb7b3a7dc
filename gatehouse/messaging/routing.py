"""Which way a message leaves: the channels of its kind, in the order that the operator gave."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

import config
from gatehouse.core import clock, plugins
from gatehouse.core.log import log
from gatehouse.messaging.channel import Channel, Kind
from gatehouse.messaging.message import DeliveryFailed, Message

SHELF = "gatehouse.messaging.channels"
NAMES = {"email": "mails", "sms": "texts"}
PATIENCE = 30.0
"""Seconds after which no other channel is begun: the message is tried again in its turn."""


@dataclass(frozen=True)
class Routes:
    """A channel that is made of others: each is tried when those before it have failed."""

    by_kind: Mapping[str, Sequence[Channel]]
    name: str = "routes"

    def send(self, message: Message) -> None:
        """Hand a message over by the first channel that takes it.

        Raises:
            DeliveryFailed: no channel took it; or one knows that this recipient never gets it.
        """
        failures: list[DeliveryFailed] = []
        begun = clock.monotonic()
        for channel in self.by_kind[message.channel]:
            if clock.monotonic() - begun > PATIENCE:
                break
            try:
                return channel.send(message)
            except DeliveryFailed as failure:
                if failure.permanent:
                    raise
                failures.append(failure)
                _tell(channel, message, failure)
        raise _all_of(failures, message)

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of `email` and `sms` nothing carries."""
        return tuple(kind for kind, channels in self.by_kind.items() if not channels)


def set_up(app: Flask) -> None:
    """Choose the channels, and say loudly which kind of messages nothing carries.

    Raises:
        ConfigurationError: with a sentence; a channel or a gateway is not known, or not complete.
    """
    settings = config.settings_of(app)
    chosen = {"email": settings.mail_channels, "sms": settings.sms_channels}
    try:
        ways = {kind: tuple(open_all(kind, names, settings)) for kind, names in chosen.items()}
    except (LookupError, ValueError) as problem:
        raise config.ConfigurationError(str(problem.args[0])) from None
    app.extensions["gatehouse.routes"] = Routes(ways)


def open_all(kind: str, names: Sequence[str], settings: config.Settings) -> Iterator[Channel]:
    """Yield the channels of `email` or `sms` that settings ask for, in their order.

    Raises:
        LookupError, ValueError: a sentence about what is not known, or not complete.
    """
    for name, piece in plugins.load(SHELF, names).items():
        described: Kind = piece
        if kind not in described.carries:
            raise ValueError(f"The channel {name} carries no {NAMES[kind]}.")
        yield from described.open(settings)


def routes(app: Flask) -> Routes:
    """Return the routes of an application."""
    return cast(Routes, app.extensions["gatehouse.routes"])


def warn(app: Flask) -> None:
    """Say loudly which messages nothing carries: they wait in the outbox."""
    for kind in routes(app).missing:
        log().error(f"Nothing carries {NAMES[kind]}: they wait in the outbox.", kind=kind)


def carry(message: Message) -> None:
    """Hand a message over, in an application's context.

    Raises:
        DeliveryFailed: nobody took it.
    """
    routes(current_app).send(message)


def _tell(channel: Channel, message: Message, failure: DeliveryFailed) -> None:
    about = {"channel": channel.name, "message": str(message.id), "reason": str(failure)}
    log().warning("A channel did not take a message.", **about)


def _all_of(failures: Sequence[DeliveryFailed], message: Message) -> DeliveryFailed:
    """Return one failure for all of them; it waits as long as the shortest wait that was told."""
    if not failures:
        return DeliveryFailed(f"Nothing carries {NAMES[message.channel]}.")
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    wait = min(waits) if len(waits) == len(failures) else None
    return DeliveryFailed(" ".join(map(str, failures)), retry_after=wait)
