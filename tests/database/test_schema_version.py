"""A version runs on the tables of a newer one whose migrations only added."""

import pytest
from sqlalchemy import text

from gatehouse.database.session import db
from tests.live_server import LiveServer, running_server

NEWER, OTHER_GENERATION = "0099", "0199"


def set_revision(app, revision):
    with app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
        db.session.commit()


@pytest.mark.alters_the_application
def test_newer_tables_of_the_same_generation_are_ready_and_others_are_not(app, client):
    ready = {}
    for revision in (NEWER, OTHER_GENERATION, "0001"):
        set_revision(app, revision)
        ready[revision] = client.get("/health/ready").status_code

    assert ready == {NEWER: 200, OTHER_GENERATION: 503, "0001": 503}


@pytest.mark.alters_the_application
def test_commands_leave_newer_tables_of_the_same_generation_alone(app):
    set_revision(app, NEWER)

    upgraded = app.test_cli_runner().invoke(args=["db", "upgrade"])
    checked = app.test_cli_runner().invoke(args=["doctor"])

    assert upgraded.exit_code == 0
    assert f"A newer version has migrated to {NEWER}: nothing to do here." in upgraded.output
    assert "finish the upgrade" in checked.output


@pytest.mark.alters_the_application
def test_server_of_the_older_version_can_be_started_again_on_newer_tables(
    app, make_user, settings_environment, tmp_path
):
    user = make_user()
    set_revision(app, NEWER)
    del settings_environment["GATEHOUSE_PUBLIC_URL"]

    with running_server(LiveServer(settings_environment, tmp_path / "log")) as server:
        assert server.client.log_in(user)["status"] == "authenticated"
