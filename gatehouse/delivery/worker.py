"""Carries messages from the outbox to a channel: a thread in each worker of the server.

A message is claimed with a lease and marked when it is handed over; a worker that dies in between
lets another one try again, so a message arrives at least once.
"""

from datetime import timedelta
from functools import partial

from flask import Flask

from gatehouse.delivery import outbox, routing
from gatehouse.delivery.channel import Channel
from gatehouse.delivery.message import DeliveryFailed, Message
from gatehouse.foundation.background import every
from gatehouse.foundation.database import db, release, writing
from gatehouse.foundation.logs import log

INTERVAL = 0.3
LEASE = timedelta(seconds=60)
BATCH = 20


def start(app: Flask) -> None:
    """Deliver in the background, through the channels that the operator chose, if there are any."""
    routing.warn(app)
    routes = routing.routes(app)
    if len(routes.missing) < len(routes.by_kind):
        every(INTERVAL, app, "delivery", partial(deliver_due, routes))


def deliver_due(channel: Channel) -> int:
    """Deliver the messages that are due, and return how many were taken."""
    if not outbox.waiting():
        return 0
    with writing():
        messages = outbox.claim(LEASE, BATCH)
    db.session.commit()
    release()
    for message in messages:
        _deliver(channel, message)
    return len(messages)


def _deliver(channel: Channel, message: Message) -> None:
    try:
        channel.send(message)
        settle = outbox.mark_sent
    except DeliveryFailed as problem:
        log().warning("A message was not handed over.", message=message.id, reason=str(problem))
        settle = outbox.mark_failed
    with writing():
        settle(message.id)
    db.session.commit()
