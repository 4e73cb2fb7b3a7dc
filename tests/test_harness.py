"""The guarantees of the test harness, on which all other tests rely."""

import shutil
import socket
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import Role
from tests.application_pool import ApplicationPool
from tests.conftest import STORES, environment
from tests.no_network import NetworkAccessBlocked
from tests.requirements_report import DOCUMENT, report_lines, requirement_ids, unbuilt_ids

ROOT = Path(__file__).parent.parent


def create_engine(url: str) -> sa.Engine:
    """Return an engine that keeps no connection open."""
    return sa.create_engine(url, poolclass=sa.NullPool)


def run_pytest(folder: Path, test: str, *options: str) -> str:
    """Run pytest on one test, with our plugins only, and return its output."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = requirement(row)\n")
    (folder / "test_it.py").write_text(f"import pytest\n{test}\n")
    plugins = [f"-ptests.{name}" for name in ("requirements_report", "missing_tools")]
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, str(folder)],
        cwd=ROOT,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return completed.stdout + completed.stderr


def test_requirement_marker_with_an_unknown_row_is_a_collection_error(tmp_path):
    output = run_pytest(tmp_path, "@pytest.mark.requirement('PW-99')\ndef test_it(): pass")

    assert "verifies PW-99, which is no row of security-requirements.md" in output
    assert "1 error" in output


def test_requirements_report_counts_a_parametrized_test_once(tmp_path):
    marks = "@pytest.mark.requirement('PW-03')\n@pytest.mark.parametrize('n', [1, 2])\n"

    output = run_pytest(
        tmp_path, f"{marks}def test_it(n): pass", "--collect-only", "--requirements"
    )

    known = requirement_ids(DOCUMENT.read_text(encoding="utf-8"))
    assert "PW-03  1 test\n" in output
    assert f"verified: 1 of {len(known)}" in output
    unbuilt = len(unbuilt_ids(DOCUMENT.read_text(encoding="utf-8")))
    assert f"built and unproven: {len(known) - unbuilt - 1}\nPW-01 PW-02 PW-04" in output
    assert f"not built yet: {unbuilt}\n" in output


def test_requirements_report_counts_what_is_unbuilt_and_the_requirements_of_asvs():
    document = (
        "Not built yet: OA-01\nOA-02.\n"
        "| PW-01 | Long. | V6.2.1/1; 63B |\n| PW-02 | Slow. | V6.2.9/2, doc V6.2.1/1 |\n"
        "| OA-01 | Code. | V10.4.1/1 |\n| OA-02 | Error. | V10.4.2/3 |\n"
    )

    lines = [*report_lines(document, Counter({"PW-01": 1, "OA-02": 2}))]

    assert lines == [
        *("PW-01  1 test", "OA-02  2 tests", "verified: 2 of 4"),
        *("built and unproven: 1", "PW-02", "not built yet: 1", "OA-01"),
        *("verified, but still listed as not built: 1", "OA-02"),
        "ASVS 5.0: 2 of 4 requirements (level 1: 1 of 2, level 2: 0 of 1, level 3: 1 of 1)",
    ]


def test_requirement_ids_are_unique():
    known = requirement_ids(DOCUMENT.read_text(encoding="utf-8"))

    assert len(known) == len(set(known)) > 0


def test_missing_tool_report_names_the_skipped_tests(tmp_path):
    test = (
        "from tests.missing_tools import skip_without\n"
        "def test_browser(): skip_without('chromium', 'install it')"
    )

    output = run_pytest(tmp_path, test)

    assert "NOT TESTED without chromium (install it)" in output
    assert "test_it.py::test_browser" in output


def test_network_connections_to_other_machines_are_blocked():
    for family, host in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family) as connection, pytest.raises(NetworkAccessBlocked, match=host):
            connection.connect((host, 80))


def test_network_name_lookups_are_blocked():
    with pytest.raises(NetworkAccessBlocked, match="example"):
        socket.getaddrinfo("example.com", 443)


def test_network_connections_to_this_machine_are_allowed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with socket.create_connection(("localhost", port), timeout=10) as connection:
            assert connection.getpeername()[1] == port


@pytest.mark.stores
@pytest.mark.parametrize("run", ["first", "second"])
def test_store_is_unused_for_every_test(store, run):
    with create_engine(store).begin() as connection:
        connection.execute(sa.text("CREATE TABLE traces (run TEXT)"))  # fails if it exists
        tables = sa.inspect(connection).get_table_names()

    assert "alembic_version" in tables


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = 'other'",
        "DROP TABLE alembic_version",
        "ALTER TABLE users ADD COLUMN shoe_size INTEGER",
        "DROP INDEX ix_sessions_user_id",
    ],
)
def test_store_with_a_changed_schema_is_not_reused(request, kind, change):
    store = request.getfixturevalue(f"{kind}_store")
    with store.fresh() as url, create_engine(url).begin() as connection:
        connection.execute(sa.text(change))

    with store.fresh() as another, create_engine(another).connect() as connection:
        version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        inspector = sa.inspect(connection)
        columns = {column["name"] for column in inspector.get_columns("users")}
        indexes = {index["name"] for index in inspector.get_indexes("sessions")}

    assert another != url
    assert version != "other"
    assert "shoe_size" not in columns
    assert "ix_sessions_user_id" in indexes


@pytest.mark.parametrize("kind", STORES)
def test_store_rows_are_restored_before_reuse(request, kind):
    store = request.getfixturevalue(f"{kind}_store")
    with store.fresh() as url, create_engine(url).begin() as connection:
        before = connection.execute(sa.select(Role.__table__)).all()
        connection.execute(sa.delete(Role))
        connection.execute(sa.insert(Role), [{**before[0]._mapping, "name": "other"}])

    with store.fresh() as again, create_engine(again).connect() as connection:
        after = connection.execute(sa.select(Role.__table__)).all()

    assert again == url
    assert after == before


def test_store_connection_left_in_use_is_not_passed_to_another_test(sqlite_store):
    with closing(ApplicationPool()) as applications, sqlite_store.fresh() as url:
        with applications.acquire(environment(url)) as app, app.app_context():
            left = db.engine.connect()
            left.execute(sa.text("SELECT * FROM roles"))
        other = environment(url) | {"GATEHOUSE_DEFAULT_LOCALE": "de"}
        with applications.acquire(other) as another, another.app_context():
            in_use = db.engine.pool.checkedout()
        left.close()

    assert in_use == 0


def test_store_file_that_was_replaced_is_not_reused(sqlite_store):
    with sqlite_store.fresh() as url:
        file = Path(sa.make_url(url).database)
        restored = Path(shutil.copyfile(file, f"{file}-copy"))
        restored.replace(file)

    with sqlite_store.fresh() as another:
        assert another != url


def test_store_with_a_lock_left_behind_blocks_no_other_test(postgres_store):
    with postgres_store.fresh() as url:
        left = create_engine(url).connect()
        left.execute(sa.text("LOCK TABLE users"))

    with (
        postgres_store.fresh() as another,
        create_engine(another).connect() as connection,
    ):
        users = connection.scalar(sa.text("SELECT count(*) FROM users"))

    assert (users, another != url) == (0, True)
    left.invalidate()
    left.close()
