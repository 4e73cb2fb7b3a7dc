"""Warn when all clients seem to share one IP address: `GATEHOUSE_TRUSTED_HOPS` may be too low."""

import itertools

from flask import Flask

import config
from gatehouse.core.log import logger
from gatehouse.web.request_context import client_ip_address, peer_and_forwarded_for, trusted_hops

REQUESTS_BEFORE_WARNING = 200
"""Forwarded requests from one single IP address after which the warning is logged."""


class ForwardedHeaderMonitor:
    """Counts the forwarded requests of one worker until a second client IP address appears."""

    def __init__(self) -> None:
        self.ip_address = ""
        self.has_several_clients = False
        self._requests = itertools.count(1)  # next() is one step, whatever other threads do

    def observe(self) -> None:
        """Check the current request; warn once if all of the first 200 came from one IP address."""
        peer, forwarded_for = peer_and_forwarded_for()
        hops = trusted_hops()
        if self.has_several_clients or len(forwarded_for.split(",")) <= hops or not forwarded_for:
            return
        ip_address = client_ip_address(peer, forwarded_for, hops)
        self.ip_address = self.ip_address or ip_address
        self.has_several_clients = ip_address != self.ip_address
        if next(self._requests) == REQUESTS_BEFORE_WARNING and not self.has_several_clients:
            logger().warning(
                f"All of {REQUESTS_BEFORE_WARNING} forwarded requests came from one IP address, "
                "so they share the rate limits. "
                f"GATEHOUSE_TRUSTED_HOPS={hops} is probably too low; run `gatehouse doctor proxy`.",
                ip_address=self.ip_address,
            )


def register_monitor(app: Flask) -> None:
    """Check every request, except in development, where one client is normal."""
    if not config.settings().development:
        app.before_request(ForwardedHeaderMonitor().observe)
