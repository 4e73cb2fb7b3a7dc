"""`gatehouse doctor`: every check, its sentence, its requirement and the exit status."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import text, update

from config import ROOT
from gatehouse.cli.diagnosis.checks import CHECKS
from gatehouse.core import clock
from gatehouse.database.clock import Reading
from gatehouse.database.session import db
from models import Password, SigningKey
from tests.conftest import environment, key, running
from tests.servers import free_port

pytestmark = pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")


def diagnose(app):
    """Run `gatehouse doctor --json`; return the exit status, and the results by name."""
    result = app.test_cli_runner().invoke(args=["doctor", "--json"])
    return result.exit_code, {one["check"]: one for one in json.loads(result.output)}


def sentences(result):
    return " ".join(finding["sentence"] for finding in result["findings"])


@pytest.mark.stores
@pytest.mark.requirement("CF-03")
def test_doctor_passes_and_names_the_requirement_of_each_check(app, make_user, store):
    make_user(factors=["totp"])

    code, results = diagnose(app)
    printed = app.test_cli_runner().invoke(args=["doctor"])

    assert code == 0, results
    statuses = {name: one["status"] for name, one in results.items()}
    roles = {"rights"} if store.startswith("postgresql") else set()  # tests are the superuser
    assert {name for name, status in statuses.items() if status != "ok"} == roles
    assert all(f"{one.name} " in printed.output for one in CHECKS)
    rows = (ROOT / "docs" / "security-requirements.md").read_text()
    assert [one for one in CHECKS if f"\n| {one.requirement} |" not in rows] == []


def test_doctor_reports_a_database_that_does_not_answer_and_skips_what_needs_it(tmp_path):
    with running(environment(f"sqlite:///{tmp_path}/missing/gatehouse.sqlite3")) as app:
        code, results = diagnose(app)

    assert code == 1
    assert f"create {tmp_path}/missing" in sentences(results["database"])
    assert {name for name, one in results.items() if one["status"] == "skipped"} == {
        "migrations", "time limits", "rights", "secrets", "signing keys", "clock",
    }  # fmt: skip


@pytest.mark.alters_the_application
def test_doctor_reports_tables_of_another_version(app):
    for revision, sentence in (
        ("0009", "run `gatehouse db upgrade`"),
        ("9999", "newer version of Gatehouse (9999)"),
    ):
        with app.app_context():
            db.session.execute(
                text("UPDATE alembic_version SET version_num = :it"), {"it": revision}
            )
            db.session.commit()
        code, results = diagnose(app)

        assert code == 1
        assert sentence in sentences(results["migrations"])
        assert results["rights"]["status"] == "skipped"


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_doctor_reports_missing_rights_of_the_database_user(app, store):
    admin = sa.create_engine(store, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS gatehouse_reader")
        connection.exec_driver_sql("CREATE ROLE gatehouse_reader LOGIN")
        connection.exec_driver_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO gatehouse_reader")
        connection.exec_driver_sql("REVOKE DELETE ON sessions FROM gatehouse_reader")
    try:
        url = sa.make_url(store).set(username="gatehouse_reader")
        with running(environment(url.render_as_string(False))) as limited:
            code, results = diagnose(limited)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql("DROP OWNED BY gatehouse_reader")
            connection.exec_driver_sql("DROP ROLE gatehouse_reader")

    earlier = [sentences(results[name]) for name in ("database", "migrations", "time limits")]
    assert earlier == ["", "", ""]
    assert (code, results["rights"]["status"]) == (1, "failed")
    [finding] = results["rights"]["findings"]
    counting = ("grant_status_entries_status_index", "logout_notifications_id")
    counting += ("status_entries_position", "webhook_deliveries_id")
    listed = ", ".join(sorted(["sessions", *(f"{name}_seq" for name in counting)]))
    expected = f"cannot use {listed}. Run as the owner: GRANT SELECT,"
    assert expected in finding["sentence"]


@pytest.mark.stores
@pytest.mark.requirement("CF-02")
def test_doctor_reports_key_rings_that_lack_a_key_in_use(app, make_user, settings_environment):
    make_user(factors=["totp"])
    with app.app_context():
        db.session.execute(update(Password).values(pepper="old"))
        db.session.commit()
    other = {"GATEHOUSE_ENCRYPTION_KEYS": key(7).replace("test:", "new:")}
    with running(settings_environment | other) as without:
        code, results = diagnose(without)
    same_name = {"GATEHOUSE_ENCRYPTION_KEYS": key(7)}
    with running(settings_environment | same_name) as with_another:
        _, wrong = diagnose(with_another)

    assert code == 1
    assert "values of credentials.data are encrypted with a key that" in sentences(
        results["secrets"]
    )
    assert "1 passwords need the pepper old" in sentences(results["secrets"])
    assert "values of" not in sentences(wrong["secrets"])
    assert "GATEHOUSE_ENCRYPTION_KEYS differs" in sentences(wrong["secrets"])


@pytest.mark.requirement("JW-10")
def test_doctor_notes_an_old_signing_key_and_fails_without_any(app):
    with app.app_context():
        long_ago = datetime.now(UTC) - timedelta(days=400)
        db.session.execute(
            update(SigningKey)
            .where(SigningKey.activated_at.is_not(None))
            .values(activated_at=long_ago)
        )
        db.session.commit()
    old = diagnose(app)
    with app.app_context():
        db.session.execute(sa.delete(SigningKey))
        db.session.commit()
    none = diagnose(app)

    assert old[0] == 0
    assert old[1]["signing keys"]["status"] == "warning"
    assert "has signed for 400 days" in sentences(old[1]["signing keys"])
    assert none[0] == 1
    assert "no signing key yet" in sentences(none[1]["signing keys"])


def test_doctor_compares_this_machines_clock_with_the_databases(app, monkeypatch):
    codes = {}
    for seconds in (-3, 10, -60):
        shift = timedelta(seconds=seconds)
        reading = "gatehouse.cli.diagnosis.machine.read_clock"
        with monkeypatch.context() as patch:
            patch.setattr(reading, lambda shift=shift: shifted_reading(shift))
            code, results = diagnose(app)
        codes[seconds] = (code, results["clock"]["status"], sentences(results["clock"]))

    assert codes[-3] == (0, "ok", "")
    assert codes[10][:2] == (0, "warning")
    assert "10 s behind the database's" in codes[10][2]
    assert codes[-60][:2] == (1, "failed")
    assert "60 s ahead of the database's" in codes[-60][2]


def shifted_reading(shift):
    """Return a reading of a database whose clock differs from this machine's."""
    uptime = clock.uptime()
    return Reading(clock.machine_start_time() + uptime + shift, uptime, timedelta(0))


def test_doctor_reports_a_disk_that_is_almost_full(app, monkeypatch):
    usage = namedtuple("Usage", "total used free")(10**12, 10**12 - 10**6, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)

    code, results = diagnose(app)

    assert code == 1
    assert "has only 1 MB left" in sentences(results["disk"])


@pytest.mark.requirement("RL-10")
def test_doctor_notes_a_redis_that_does_not_answer_and_limits_that_are_off(
    app, settings_environment, valkey
):
    silent = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    found = {}
    for name, more in {
        "silent": silent,
        "present": {"REDIS_URL": valkey},
        "off": {"GATEHOUSE_RATE_LIMITS": "off"},
    }.items():
        with running(settings_environment | more) as other:
            found[name] = diagnose(other)

    assert [code for code, _ in found.values()] == [0, 0, 0]
    assert "REDIS_URL" in sentences(found["silent"][1]["redis"])
    assert found["present"][1]["redis"]["status"] == "ok"
    assert "GATEHOUSE_RATE_LIMITS is off" in sentences(found["off"][1]["rate limits"])
