"""The database: engine, session, types, and how a transaction begins.

Reading is the default and takes no lock. Writing begins with `writing()`: BEGIN IMMEDIATE on
SQLite, so that two writers queue instead of failing half-way. Nothing that takes long (a password
hash, an outside socket) happens while a transaction is open: `release()` first.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from flask import has_app_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, Dialect, MetaData, TypeDecorator, event, text
from sqlalchemy.engine import Engine, ExceptionContext, make_url
from sqlalchemy.orm import DeclarativeBase, Session

from gatehouse.database.direct_sql import execute

TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
READER = "reader"
"""The name of the engine whose connections commit by themselves."""
PRAGMAS = (
    "journal_mode=WAL",  # readers never wait for the writer
    "foreign_keys=ON",
    "busy_timeout=5000",
    "synchronous=FULL",  # a commit that was answered survives a power cut
)


class Base(DeclarativeBase):
    """The root of all tables; constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment; kept in UTC, and UTC when it comes back (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, and convert the others to UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that what comes back is UTC."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def engine_options(url: str, threads: int) -> dict[str, Any]:
    """Return the options of an engine that waits for a bounded time: seconds, then it fails.

    Each thread can have a connection, and the background four; half of them are kept.
    """
    options: dict[str, Any] = {"pool_size": threads // 2, "pool_timeout": 1}
    options["pool_use_lifo"] = True  # who served last has its statements prepared, and is warm
    options["max_overflow"] = threads - threads // 2 + 4
    options["hide_parameters"] = True  # a trace in the log shows the statement, never its values
    if make_url(url).get_backend_name() == "postgresql":
        limits = {"statement_timeout": 5000, "lock_timeout": 4000, "timezone": "UTC"}
        limits["idle_in_transaction_session_timeout"] = 10_000
        chosen = " ".join(f"-c {name}={value}" for name, value in limits.items())
        options["pool_recycle"] = 300  # seconds: what is old may have been closed while it waited
        options["connect_args"] = {
            "connect_timeout": 2,
            "tcp_user_timeout": 1500,  # milliseconds: a server that vanished says no word
            "keepalives_idle": 60,  # nor does a firewall that forgets who is silent for long
            "client_encoding": "utf8",
            "options": chosen,
        }
    return options


def encoding() -> str:
    """Return how the database stores text; SQLite's is always UTF-8."""
    if db.engine.dialect.name == "sqlite":
        return "UTF8"
    with db.engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())


def set_up() -> None:
    """Say how SQLite's connections and transactions begin; PostgreSQL's driver knows.

    No engine of PostgreSQL is listened to: that would cost each connection a third of its time.
    """
    if db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", _set_pragmas)
        event.listen(db.engine, "begin", _begin)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@event.listens_for(Engine, "handle_error")
def _start_anew(context: ExceptionContext) -> None:
    """Give up the waiting connections of the other engine, too, when one turns out to be broken.

    SQLAlchemy gives up those of the same engine; each of the others would fail a request, long
    after the server is back.
    """
    if context.is_disconnect and has_app_context():
        for engine in db.engines.values():
            if engine is not context.engine:
                engine.dispose()


def release() -> None:
    """Give the connection back and let go of all rows; what was read stays readable."""
    db.session.close()


@contextmanager
def writing() -> Iterator[None]:
    """Open the request's one write transaction; the route commits it.

    Inside another `writing()` it joins that one.
    """
    if not db.session.info.get("writing"):
        release()
        db.session.connection(execution_options={"writing": True})
        db.session.info["writing"] = True
    yield
    db.session.flush()


@event.listens_for(Session, "after_transaction_end")
def _no_longer_writing(session: Session, transaction: Any) -> None:
    if transaction.parent is None:
        session.info.pop("writing", None)


def reader() -> Connection:
    """Lend a connection for a statement that stands alone, outside the request's transaction.

    On PostgreSQL it commits by itself: BEGIN and ROLLBACK would be round trips, each as long as the
    query. SQLite has none to save.
    """
    return db.engines.get(READER, db.engine).connect()


@contextmanager
def writer() -> Iterator[Connection]:
    """Lend such a connection for one statement that writes, and is committed with it."""
    connection = reader().execution_options(writing=True)
    with connection, nullcontext() if READER in db.engines else connection.begin():
        yield connection


@contextmanager
def at_once() -> Iterator[Connection]:
    """Do the same for a thread that holds no other connection meanwhile."""
    release()
    with writer() as connection:
        yield connection


@contextmanager
def apart() -> Iterator[Connection]:
    """A transaction of its own, committed at the end: for counts that must survive a rollback."""
    release()
    with db.engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


def take_turns(key: str) -> None:
    """Let one transaction at a time go on for this key, until it ends.

    On SQLite the write transaction is already alone.
    """
    if db.engine.dialect.name == "postgresql":
        db.session.flush()  # what is pending would be lost where a row is read anew after the wait
        execute(db.session.connection(), TURN, {"key": key})
