"""The promises that all other tests lean on."""

import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import Role
from tests.applications import Applications
from tests.conftest import STORES, environment
from tests.no_network import NetworkTouched
from tests.requirements_report import DOCUMENT, rows

ROOT = Path(__file__).parent.parent


def engine_of(url: str) -> sa.Engine:
    """Return an engine that leaves no connection behind."""
    return sa.create_engine(url, poolclass=sa.NullPool)


def run_pytest(folder: Path, test: str, *options: str) -> str:
    """Run pytest on one file, with our plugins and no others, and return what it prints."""
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


def test_a_requirement_that_the_document_does_not_have_stops_the_collection(tmp_path):
    output = run_pytest(tmp_path, "@pytest.mark.requirement('PW-99')\ndef test_it(): pass")

    assert "proves PW-99, which is no row of security-requirements.md" in output
    assert "1 error" in output


def test_the_report_counts_a_test_once_however_often_it_runs(tmp_path):
    marks = "@pytest.mark.requirement('PW-03')\n@pytest.mark.parametrize('n', [1, 2])\n"

    output = run_pytest(
        tmp_path, f"{marks}def test_it(n): pass", "--collect-only", "--requirements"
    )

    known = rows(DOCUMENT.read_text(encoding="utf-8"))
    assert "PW-03  1 test\n" in output
    assert f"proven: 1 of {len(known)}" in output
    assert "not proven by any test:\nPW-01 PW-02 PW-04" in output


def test_every_row_of_the_requirements_has_an_id_of_its_own():
    known = rows(DOCUMENT.read_text(encoding="utf-8"))

    assert len(known) == len(set(known)) > 0


def test_what_a_missing_tool_left_untested_is_told_by_name(tmp_path):
    test = (
        "from tests.skips import skip_without\n"
        "def test_the_moon(): skip_without('a rocket', 'build one')"
    )

    output = run_pytest(tmp_path, test)

    assert "NOT TESTED without a rocket (build one)" in output
    assert "test_it.py::test_the_moon" in output


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]
)
def test_no_test_leaves_this_machine(family, host):
    with socket.socket(family) as connection, pytest.raises(NetworkTouched, match=host):
        connection.connect((host, 80))


def test_no_test_asks_a_name_server():
    with pytest.raises(NetworkTouched, match="example"):
        socket.getaddrinfo("example.com", 443)


def test_a_test_may_talk_to_its_own_machine():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with socket.create_connection(("localhost", port), timeout=1) as connection:
            assert connection.getpeername()[1] == port


@pytest.mark.stores
@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_gets_a_database_that_nobody_has_used(store, turn):
    with engine_of(store).begin() as connection:
        connection.execute(sa.text("CREATE TABLE traces (turn TEXT)"))  # fails where one is left
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
def test_no_test_meets_a_structure_that_another_has_changed(request, kind, change):
    store = request.getfixturevalue(f"{kind}_store")
    with store.fresh() as url, engine_of(url).begin() as connection:
        connection.execute(sa.text(change))

    with store.fresh() as another, engine_of(another).connect() as connection:
        version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        inspector = sa.inspect(connection)
        columns = {column["name"] for column in inspector.get_columns("users")}
        indexes = {index["name"] for index in inspector.get_indexes("sessions")}

    assert another != url
    assert version != "other"
    assert "shoe_size" not in columns
    assert "ix_sessions_user_id" in indexes


@pytest.mark.parametrize("kind", STORES)
def test_what_a_test_wrote_and_took_away_is_put_right(request, kind):
    store = request.getfixturevalue(f"{kind}_store")
    with store.fresh() as url, engine_of(url).begin() as connection:
        before = connection.execute(sa.select(Role.__table__)).all()
        connection.execute(sa.delete(Role))
        connection.execute(sa.insert(Role), [{**before[0]._mapping, "name": "queen"}])

    with store.fresh() as again, engine_of(again).connect() as connection:
        after = connection.execute(sa.select(Role.__table__)).all()

    assert again == url
    assert after == before


def test_a_connection_that_is_left_at_work_in_a_file_reaches_no_other_test(sqlite_store):
    with closing(Applications()) as applications, sqlite_store.fresh() as url:
        with applications.lend(environment(url)) as app, app.app_context():
            left = db.engine.connect()
            left.execute(sa.text("SELECT * FROM roles"))
        other = environment(url) | {"GATEHOUSE_DEFAULT_LOCALE": "de"}
        with applications.lend(other) as another, another.app_context():
            at_work = db.engine.pool.checkedout()
        left.close()

    assert at_work == 0


def test_a_file_that_was_replaced_is_lent_to_nobody_else(sqlite_store):
    with sqlite_store.fresh() as url:
        file = Path(sa.make_url(url).database)
        restored = Path(shutil.copyfile(file, f"{file}-copy"))
        restored.replace(file)

    with sqlite_store.fresh() as another:
        assert another != url


def test_a_connection_that_is_left_at_work_keeps_nobody_waiting(postgres_store):
    with postgres_store.fresh() as url:
        left = engine_of(url).connect()
        left.execute(sa.text("LOCK TABLE users"))

    with (
        postgres_store.fresh() as another,
        engine_of(another).connect() as connection,
    ):
        people = connection.scalar(sa.text("SELECT count(*) FROM users"))

    assert (people, another != url) == (0, True)
    left.invalidate()
    left.close()
