"""Generate `docs/events.md` from the event catalogue."""

from gatehouse.audit import events

OPENING = """# Audit events

Generated from `gatehouse/audit/events.py` by `flask docs build`.

Each event is a row of `audit_events`: `at`, `name`, `outcome`, `user_id` and `session_id`, the
`request_id`, `ip_address` and `user_agent` of the request, and `details`, which never contain a
secret. The row is written in the transaction of the change that it describes. When a request fails,
that transaction is rolled back, and the row is written in a new one. The metric
`gatehouse_events_total` counts events by name.

| Name | Outcome | What happened |
|---|---|---|
"""


def render_page() -> str:
    """Return the page in Markdown."""
    rows = (
        f"| `{event.name}` | {event.outcome} | {event.description} |\n"
        for event in events.all_events()
    )
    return OPENING + "".join(rows)
