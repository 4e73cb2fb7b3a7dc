"""`python -m bench.accounts`: search, list, login and refresh with a million accounts.

Compares them with the same requests on a database of a thousand, in turn, and prints the plans of
PostgreSQL. The service runs in this process, and passwords are hashed at the lowest cost: a real
hash would hide the difference. Rows are made by SQL, and each search finds a page in both.
"""

import argparse
import base64
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event, text

from app import create_app
from bench.environment import KEY_RING_SETTINGS, create_database
from config import Settings
from gatehouse.database.session import db
from gatehouse.operations import load_shedding
from gatehouse.tokens import keys, sync
from tests.client import Client, User
from tests.user_accounts import create_user

MAX_RATIO = 1.2
EXPLAIN = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)"
WARM_UP = 3
"""Requests of each kind that are not measured."""
FILL = """
INSERT INTO users (id, email, email_canonical, username, username_canonical, created_at, updated_at,
                   email_verified_at, disabled_at, roles_version)
SELECT md5('user' || n)::uuid, 'person' || n || '@example.com', 'person' || n || '@example.com',
       'person' || n, 'person' || n, at, at, CASE WHEN n % 100 > 0 THEN at END,
       CASE WHEN n BETWEEN 2 AND 41 THEN at END, 0
FROM (SELECT n, now() - n * interval '1 second' AS at FROM generate_series(1, :count) AS n) AS made;

INSERT INTO credentials (id, user_id, kind, label, data, counter, created_at, confirmed_at)
SELECT md5('factor' || n)::uuid, md5('user' || n)::uuid,
       CASE WHEN n % 5000 = 0 THEN 'webauthn' ELSE 'totp' END, 'Phone', '', 0, now(), now()
FROM generate_series(2, :count, 4) AS n;

INSERT INTO role_assignments (id, subject_kind, subject_id, user_id, role, created_at)
SELECT md5('role' || n)::uuid, 'user', md5('user' || n)::uuid, md5('user' || n)::uuid, 'support',
       now()
FROM generate_series(3, least(:count, 1000), 25) AS n;

INSERT INTO sessions (id, user_id, created_at, authenticated_at, last_seen_at, idle_at, expires_at,
                      amr, acr, ip_address, user_agent)
SELECT md5('session' || n)::uuid, md5('user' || n)::uuid, now(), now(), now(),
       now() + interval '14 days', now() + interval '30 days', '["pwd"]', 'aal1', '192.0.2.1',
       'bench'
FROM generate_series(1, :count) AS n;

INSERT INTO audit_events (id, at, name, outcome, user_id, request_id, ip_address, user_agent,
                          details)
SELECT md5('event' || n)::uuid, now(), 'login.succeeded', 'success', md5('user' || n)::uuid,
       'bench', '192.0.2.1', 'bench', '{}'
FROM generate_series(1, :count) AS n
"""
SEARCHES = {
    "list": {},
    "search: address": {"q": "person7"},
    "search: id": {"q": "00000000-0000-7000-8000-000000000000"},
    "search: phone": {"q": "+4915112345678"},
    "search: status": {"status": "disabled"},
    "search: role": {"role": "support"},
    "search: factor": {"factor": "totp"},
    "search: no factor": {"factor": "none"},
    "search: dates": {"created_before": "2020-01-01T00:00:00Z"},
}
"""Queries of `GET /admin/users`."""


@dataclass
class Service:
    """The service on a database with many accounts, or few."""

    app: Flask
    count: int
    times: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds of each request that was measured."""

    def __post_init__(self) -> None:
        with self.app.app_context():
            upgrade()
            keys.ensure_keys()
            db.session.commit()
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("SET statement_timeout = 0")
                for statement in FILL.split(";"):
                    connection.execute(text(statement), {"count": self.count})
                connection.exec_driver_sql("VACUUM ANALYZE")
                connection.exec_driver_sql("RESET statement_timeout")
        sync.start_sync(self.app)
        self.client = Client(self.app.test_client)
        self.person = create_user(self.app, User("measured@example.com"))
        self.admin = self._sign_in_administrator()

    def _sign_in_administrator(self) -> Client:
        root = create_user(self.app, User("root@example.com"), roles=["admin"])
        self.client.log_in(root)
        self.client.enrol_totp(root)
        return self.client.as_(self.client.renew(root.tokens))

    def requests(self) -> dict[str, Callable[[], object]]:
        """Return the requests to measure, by name."""
        found: dict[str, Callable[[], object]] = {
            name: partial(self._search, query) for name, query in SEARCHES.items()
        }
        found["login"] = lambda: self.client.log_in(self.person)
        found["refresh"] = self._refresh
        return found

    def _search(self, query: Mapping[str, str]) -> None:
        response = self.admin.get("/admin/users", query_string={"limit": 20, **query})
        assert response.status_code == 200, response.json

    def _refresh(self) -> None:
        self.person.tokens = self.client.renew(self.person.tokens)

    def measure(self, name: str, number: int) -> None:
        """Send a request several times, and keep the durations."""
        send = self.requests()[name]
        for _ in range(number):
            self.wait_until_ready()
            began = time.perf_counter()
            send()
            elapsed = (time.perf_counter() - began) * 1000
            self.times.setdefault(name, []).append(elapsed)

    def wait_until_ready(self) -> None:
        """Wait while the service sheds load: on a busy machine its background tasks are late."""
        with self.app.app_context():
            while load_shedding.is_open():
                time.sleep(0.1)

    def plans(self, name: str) -> Iterator[str]:
        """Yield the plans of the statements of a request that read the large tables."""
        self.wait_until_ready()
        with recorded(self.app) as statements:
            self.requests()[name]()
        with self.app.app_context(), db.engine.connect() as connection:
            for statement, parameters in statements:
                explained = connection.exec_driver_sql(f"{EXPLAIN} {statement}", parameters)
                yield "\n".join(explained.scalars())


@contextmanager
def recorded(app: Flask) -> Iterator[list[tuple[str, dict[str, object]]]]:
    """Yield a list that receives the SELECT statements of users, with their parameters."""
    found: list[tuple[str, dict[str, object]]] = []

    def keep(
        _connection: object, _cursor: object, statement: str, values: dict[str, object], *_: object
    ) -> None:
        if statement.startswith("SELECT") and "FROM users" in statement:
            found.append((statement, values))

    with app.app_context():
        engines = list(db.engines.values())
    for engine in engines:
        event.listen(engine, "before_cursor_execute", keep)
    yield found
    for engine in engines:
        event.remove(engine, "before_cursor_execute", keep)


def main() -> int:
    """Measure and print; return 1 if a median is more than 1.2 times that of a thousand."""
    parser = argparse.ArgumentParser(prog="bench.accounts", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20, help="of each kind in a round (20)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder, ExitStack() as stack:
        few, many = (
            stack.enter_context(_start_service(Path(folder), count))
            for count in (1000, chosen.accounts)
        )
        for name in many.requests():
            print(f"\n## {name}\n", *many.plans(name), sep="\n")
        return _compare(few, many, chosen)


@contextmanager
def _start_service(folder: Path, count: int) -> Iterator[Service]:
    with create_database(folder, None) as (settings, _version):
        rings = {name: f"bench:{_key()}" for name in KEY_RING_SETTINGS}
        fast = {"GATEHOUSE_ENV": "development", "GATEHOUSE_BCRYPT_COST": "4"}
        app = create_app(Settings.from_environment({**settings, **rings, **fast}))
        began = time.perf_counter()
        service = Service(app, count)
        print(f"{count:,} accounts, filled in {time.perf_counter() - began:.0f} s")
        yield service
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _compare(few: Service, many: Service, chosen: argparse.Namespace) -> int:
    """Print the medians and their ratios."""
    for service in (few, many):
        for name in service.requests():
            service.measure(name, WARM_UP)
        service.times.clear()
    for _ in range(chosen.rounds):
        for name in many.requests():
            for service in (few, many):
                service.measure(name, chosen.requests)
    print("\n| request | p50, 1,000 | p50, many | ratio | of rounds |\n|---|---|---|---|---|")
    ratios = [_print_row(name, few, many, chosen.requests) for name in many.requests()]
    return int(max(ratios) > MAX_RATIO)


def _print_row(name: str, few: Service, many: Service, size: int) -> float:
    """Print the row of a request, and return the median of the ratios of its rounds."""
    rounds = [
        statistics.median(many.times[name][start : start + size])
        / statistics.median(few.times[name][start : start + size])
        for start in range(0, len(many.times[name]), size)
    ]
    medians = [statistics.median(service.times[name]) for service in (few, many)]
    ratio = statistics.median(rounds)
    low, high = min(rounds), max(rounds)
    print(
        f"| {name} | {medians[0]:.1f} ms | {medians[1]:.1f} ms | **{ratio:.2f}** |"
        f" {low:.2f} to {high:.2f} |"
    )
    return ratio


if __name__ == "__main__":
    raise SystemExit(main())
