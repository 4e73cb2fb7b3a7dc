"""Notices that all visitors seem to be one: then `GATEHOUSE_TRUSTED_HOPS` is probably too low."""

import itertools

from flask import Flask

import config
from gatehouse.core.log import log
from gatehouse.web.request_context import client_address, connection, hops

ENOUGH = 200
"""Requests that say they were forwarded, all from one address, before it is told."""


class Crowd:
    """What one worker has seen of its visitors."""

    def __init__(self) -> None:
        self.address = ""
        self.is_many = False
        self._requests = itertools.count(1)  # next() is one step, whatever other threads do

    def look(self) -> None:
        """Look at the current request; warn, once, when enough of them came from one address."""
        peer, chain = connection()
        if self.is_many or len(chain.split(",")) <= hops() or not chain:
            return
        address = client_address(peer, chain, hops())
        self.address = self.address or address
        self.is_many = address != self.address
        if next(self._requests) == ENOUGH and not self.is_many:
            log().warning(
                f"All of {ENOUGH} forwarded requests came from one address: they share the limits."
                f" GATEHOUSE_TRUSTED_HOPS={hops()} is probably too low; ask `flask doctor proxy`.",
                address=self.address,
            )


def watch(app: Flask) -> None:
    """Look at every visitor; in development there is only one."""
    if not config.settings().development:
        app.before_request(Crowd().look)
