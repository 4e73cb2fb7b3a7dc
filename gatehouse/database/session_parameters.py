"""Parameters of PostgreSQL sessions: every wait ends, and times are in UTC.

A pooler gives each transaction another session, so it rejects parameters of one client. They then
come from the role (`ALTER ROLE ... SET`), and nothing may be prepared or set for a session.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

TIME_LIMITS = {
    "statement_timeout": 5000,
    "lock_timeout": 4000,
    "idle_in_transaction_session_timeout": 10_000,
}
"""In milliseconds."""
READ_PARAMETERS = text("""
    SELECT current_setting('statement_timeout')::interval AS statement_timeout,
        current_setting('lock_timeout')::interval AS lock_timeout,
        current_setting('idle_in_transaction_session_timeout')::interval
            AS idle_in_transaction_session_timeout,
        current_setting('TimeZone') AS timezone,
        quote_ident(current_user) AS role, quote_ident(current_database()) AS database
""")


def build_connection_arguments(pooler: str) -> dict[str, object]:
    """Return the arguments of a new connection, straight to PostgreSQL or through a pooler."""
    arguments: dict[str, object] = {
        "connect_timeout": 2,
        "tcp_user_timeout": 1500,  # milliseconds: a vanished server sends no RST
        "keepalives_idle": 60,  # seconds: firewalls drop idle connections silently
        "client_encoding": "utf8",
    }
    if pooler == "transaction":
        return arguments | {"prepare_threshold": None}  # the next transaction has another session
    parameters = TIME_LIMITS | {"timezone": "UTC"}
    options = " ".join(f"-c {name}={value}" for name, value in parameters.items())
    return arguments | {"options": options}


def find_missing_parameters(connection: Connection) -> list[str]:
    """Return the SQL that gives the role the parameters which its sessions lack."""
    return list(_missing(connection.execute(READ_PARAMETERS).mappings().one()))


def _missing(found: Any) -> Iterator[str]:
    wanted = {
        name: f"'{limit}ms'"
        for name, limit in TIME_LIMITS.items()
        if not 0 < found[name].total_seconds() * 1000 <= limit
    }
    if found["timezone"] != "UTC":
        wanted["timezone"] = "'UTC'"
    for name, value in wanted.items():
        yield f"ALTER ROLE {found['role']} IN DATABASE {found['database']} SET {name} = {value};"
