"""The service through PgBouncer in transaction mode, as a role that owns no table.

The pooler has few sessions of PostgreSQL for all connections, so that nearly every transaction gets
another session than the one before it.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from itertools import count

import pytest
from sqlalchemy import text

from gatehouse.cli.diagnosis.checks import CHECKS, run_checks
from gatehouse.cli.serve import prepare_database
from gatehouse.database.session import db
from tests.account.conftest import request_reset_mail
from tests.client import Client, User
from tests.concurrency import test_pairs_of_flows as pairs
from tests.conftest import environment, postgres_url, running
from tests.live_server import LiveServer, running_server
from tests.missing_tools import skip_without
from tests.parallel import run_in_parallel
from tests.pooler import pooled_database
from tests.servers import NO_POSTGRES

NUMBERS = count(1)
PAIRS = (
    *((pairs.undo_email, pairs.verify_email), (pairs.reset_password, pairs.log_in)),
    *((pairs.log_in, pairs.log_others_out), (pairs.refresh, pairs.change_password)),
    *((pairs.confirm_factor, pairs.step_up), (pairs.request_reset, pairs.change_email)),
)
"""Pairs that wait for each other's locks, among them advisory locks."""
CHECKED = ("database", "migrations", "time limits", "rights")


@pytest.fixture(scope="module")
def database(pytestconfig):
    url = postgres_url(pytestconfig)
    if url is None:
        skip_without("PostgreSQL", NO_POSTGRES)
    with pooled_database(url) as database:
        yield database


@pytest.fixture(scope="module")
def pooled_environment(database):
    return environment(database.url) | {
        "GATEHOUSE_DATABASE_POOLER": "transaction",
        "GATEHOUSE_MIGRATION_DATABASE_URL": database.owner_url,
    }


@pytest.fixture(scope="module")
def app(pooled_environment):
    """An application of this module, whose database its owner has migrated."""
    with running(pooled_environment) as app:
        with app.app_context():
            prepare_database()
        yield app


@pytest.fixture(scope="module")
def server(app, pooled_environment, tmp_path_factory):
    """A server with two workers, which does not know its owner's password."""
    environ = pooled_environment | {"GATEHOUSE_THREADS": "16"}
    del environ["GATEHOUSE_PUBLIC_URL"], environ["GATEHOUSE_MIGRATION_DATABASE_URL"]
    with running_server(LiveServer(environ, tmp_path_factory.mktemp("server") / "log")) as server:
        yield server


@pytest.fixture
def user(make_user):
    return make_user(email=f"ada{next(NUMBERS)}@example.com")


def test_pooler_serves_many_parallel_logins_and_requests_with_few_sessions(server, make_user):
    def work(user: User) -> list[int]:
        client = Client(server.new_connection)
        tokens = client.renew(client.log_in(user))
        mine = client.as_(tokens)
        return [mine.get("/auth/me").status_code, mine.post("/auth/logout").status_code]

    users = [make_user(email=f"many{number}@example.com") for number in range(20)]
    assert run_in_parallel(*[partial(work, user) for user in users]) == [[200, 204]] * 20


def test_pooler_lets_what_is_used_once_succeed_once_of_twenty_in_parallel(server, user):
    client = server.client
    client.log_in(user)
    client.enrol_totp(user)
    challenge = client.log_in(User(user.email))
    token = request_reset_mail(client, user.email)["token"]
    answer = {"mfa_token": challenge["mfa_token"], "factor": "totp", "code": user.totp()}

    logins = client.in_parallel(20, "/auth/login/mfa", answer)
    form = {"token": token, "password": "seven green doors"}
    resets = client.in_parallel(20, "/auth/password/reset", form)

    assert Counter(one.status_code for one in logins) == {200: 1, 401: 19}
    statuses = Counter(one.status_code for one in resets)
    assert statuses[204] == 1
    assert statuses.keys() <= {204, 401, 503}  # the queue of password hashes may be full


@pytest.mark.parametrize("pair", PAIRS, ids=["-".join(f.__name__ for f in one) for one in PAIRS])
def test_pooler_lets_pairs_of_flows_neither_deadlock_nor_fail(server, user, pair):
    client = server.client
    world = pairs.World(client, user, iter([client.log_in(user) for _ in range(2)] * 10))

    responses = run_in_parallel(*[flow(world) for flow in pair])

    assert max(response.status_code for response in responses) < 500


def test_pooler_without_its_setting_is_named_at_the_start_with_the_setting(app, database):
    environ = environment(database.url) | {"GATEHOUSE_MIGRATION_DATABASE_URL": database.owner_url}

    with running(environ) as direct:
        result = direct.test_cli_runner().invoke(args=["keys", "list"])

    assert "behind a connection pooler" in result.output
    assert "set GATEHOUSE_DATABASE_POOLER=transaction" in result.output


def test_tables_belong_to_the_owner_and_the_role_that_serves_cannot_change_them(app, database):
    with app.app_context(), db.engine.connect() as connection:
        owners = set(connection.execute(text("SELECT tableowner FROM pg_tables")).scalars())
        with pytest.raises(Exception, match="must be owner of table users"):
            connection.execute(text("DROP TABLE users"))

    assert f"{database.name}_owner" in owners
    assert database.name not in owners


def problems_of(app):
    """Return what `gatehouse doctor` finds in the role of the database."""
    with app.app_context():
        db.engine.dispose()
        checks = [check for check in CHECKS if check.name in CHECKED]
        return [one.sentence for result in run_checks(checks) for one in result.findings]


@pytest.fixture
def repaired(database):
    """Let a test alter the role; afterwards it is again as documented."""
    yield database
    database.execute(
        f"ALTER ROLE {database.name} NOCREATEDB",
        f"REVOKE CREATE ON SCHEMA public FROM {database.name}",
    )
    database.prepare()
    database.reconnect()


def test_role_that_serves_has_no_problems_as_documented_and_the_owner_is_one(app, database):
    served, owned = problems_of(app), environment(database.owner_url)
    with running(owned) as simple:
        single = problems_of(simple)
    both = owned | {"GATEHOUSE_MIGRATION_DATABASE_URL": database.owner_url}
    with running(both) as same:
        [problem] = problems_of(same)

    assert served == single == []
    assert f"role {database.name}_owner of DATABASE_URL owns the tables" in problem


def test_role_that_may_do_more_than_serve_is_a_problem_until_the_printed_sql_is_run(app, repaired):
    repaired.execute(
        f"ALTER ROLE {repaired.name} CREATEDB",
        f"GRANT CREATE ON SCHEMA public TO {repaired.name}",
    )

    problems = problems_of(app)

    assert len(problems) == 2
    repaired.execute(*re.findall(r"(?:ALTER|REVOKE) [^;]+;", " ".join(problems)))
    assert problems_of(app) == []


def test_role_without_parameters_or_grants_is_a_problem_until_the_printed_sql_is_run(app, repaired):
    repaired.execute(
        f"ALTER ROLE {repaired.name} IN DATABASE {repaired.name} RESET ALL",
        f"REVOKE SELECT ON users FROM {repaired.name}",
        f"REVOKE USAGE ON ALL SEQUENCES IN SCHEMA public FROM {repaired.name}",
    )
    repaired.reconnect()

    parameters, rights = problems_of(app)

    assert "lack time limits" in parameters
    assert f"role {repaired.name} cannot use " in rights
    assert "status_entries_position_seq, users, " in rights
    repaired.execute(*re.findall(r"(?:ALTER|GRANT) [^;]+;", parameters + rights))
    repaired.reconnect()
    assert problems_of(app) == []
