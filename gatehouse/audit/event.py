"""The type of audit events."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A type of event: its stable name, `success` or `failure`, and a one-sentence description."""

    name: str
    outcome: str
    description: str


def success(name: str, description: str) -> Event:
    """Return an event that reports what was done."""
    return Event(name, "success", description)


def failure(name: str, description: str) -> Event:
    """Return an event that reports what failed or was rejected."""
    return Event(name, "failure", description)
