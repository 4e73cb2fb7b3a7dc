"""Generate `docs/events.md` from the event catalogue."""

from gatehouse.audit import events

OPENING = """# Audit events

Generated from `gatehouse/audit/events.py` by `gatehouse docs build`.

Each event is a row of `audit_events`: `at`, `name`, `outcome`, the `user_id` and `session_id` that
it is about, the `request_id`, `ip_address` and `user_agent` of the request, and `details`, which
never contain a secret.

`actor_kind` says who acted: a `user`, whose id is `actor_id`; an `impersonator`, the administrator
`actor_id` who acted as the user `user_id`; a `service_account`, with an API key; an `operator`, who
ran a command; the `system`, in a worker or scheduled job; or an `anonymous` client, which had not
authenticated: a failed login names the account as `user_id`, but no actor. `client_id` is the OAuth
client of the actor's token, `gatehouse` for our own API, or the id of the API key. `target_kind`
and `target_id` name what was affected if it is not the user, such as a `session`, a `factor` or an
`api_key`. Events of versions that recorded no actor have none.

The row is written in the transaction of the change that it describes. When a request fails,
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
