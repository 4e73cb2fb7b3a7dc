"""Checks of the services that Gatehouse uses: Redis, and the mail servers."""

from collections.abc import Iterator

from flask import current_app

import config
from gatehouse.cli.diagnosis import mail
from gatehouse.cli.diagnosis.check import Finding
from gatehouse.messaging.routing import MESSAGE_TYPE_NAMES, get_router
from gatehouse.web import rate_limits


def find_redis_problems() -> Iterator[Finding]:
    """Ask Redis for a sign of life, if there is one."""
    if config.settings().redis_url and not rate_limits.is_storage_reachable():
        yield Finding(
            "Redis does not respond, or rejects the login: the database counts rate limits until it"
            " does. Check that it runs, and REDIS_URL.",
            is_warning=True,
        )


def find_disabled_limits() -> Iterator[Finding]:
    """Look for rate limits that are off."""
    if not config.settings().rate_limits:
        yield Finding(
            "GATEHOUSE_RATE_LIMITS is off: a single client can keep all workers busy. Remove it.",
            is_warning=True,
        )


def find_mail_problems() -> Iterator[Finding]:
    """Connect to each mail server and log in, as for a message; send nothing."""
    settings = config.settings()
    for message_type in get_router(current_app).types_without_channel:
        yield Finding(
            f"Nothing delivers {MESSAGE_TYPE_NAMES[message_type]}; it stays in the outbox.",
            is_warning=True,
        )
    for channel in mail.smtp_channels():
        server = channel.parameters.server
        if problem := mail.try_login(channel):
            yield Finding(problem)
        if server.scheme == "insecure-smtp" and not settings.development:
            yield Finding(
                f"Mail to {server.host} is not encrypted: an attacker in the network can read"
                " every code and link.",
                is_warning=True,
            )
