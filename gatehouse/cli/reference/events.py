"""`docs/events.md`, from the audit's catalogue."""

from gatehouse.audit import events

OPENING = """# Audit events

Generated from `gatehouse/audit/events.py` by `flask docs build`.

Each event is a row of `audit_events`: `at`, `name`, `outcome`, whose account and session it is
about, the `request_id`, `address` and `user_agent` of the request, and `details`, which never hold
a secret. The row is written in the transaction of what it tells; where a request is refused, that
transaction is rolled back and the row has one of its own. The metric `gatehouse_events_total`
counts them by name.

| Name | Outcome | What happened |
|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = (
        f"| `{event.name}` | {event.outcome} | {event.sentence} |\n" for event in events.every()
    )
    return OPENING + "".join(rows)
