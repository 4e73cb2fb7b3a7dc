"""A database of an old version works after the upgrade, and after its encryption key is replaced.

`fixtures/<version>` has a database that the code of that version wrote, and what its users know:
`make_upgrade_fixture.py` made both. What they know is used by HTTP only, so that this test holds
whatever tables, columns and modules are called today.
"""

import base64
from contextlib import ExitStack
from datetime import timedelta

import flask_migrate
import pytest

from gatehouse.core.crypto_labels import IDEMPOTENT_ENDPOINTS
from tests.conftest import environment, running
from tests.migrations.old_databases import FIXTURES, Fixture, write_to_postgresql
from tests.migrations.upgrade_checks import CHECKS
from tests.migrations.upgraded_service import Service

NEW_KEY = f"new:{base64.b64encode(bytes(range(224, 256))).decode()}"


VERSIONS = sorted(path.name for path in FIXTURES.iterdir())
RELEASED = [name for name in VERSIONS if len(name) != len("0007")]
"""Versions that were in use; the other fixtures are named after their last migration."""
NEWEST = max(set(VERSIONS) - set(RELEASED))


@pytest.fixture(params=VERSIONS)
def fixture(request, time_machine):
    """Each version, a minute after its database was last used."""
    found = Fixture(request.param)
    time_machine.move_to(found.moment + timedelta(minutes=1))
    return found


@pytest.fixture
def upgraded(fixture, store, tmp_path):
    """The environment of an application whose database has been brought to today's schema."""
    file = tmp_path / "database.db"
    fixture.write_to(file)
    url = f"sqlite:///{file}"
    if store.startswith("postgresql"):
        url = store
        write_to_postgresql(fixture, url, file)
    environ = environment(url) | fixture.keys
    with running(environ) as app, app.app_context():
        flask_migrate.upgrade()
    return environ


@pytest.fixture
def serve(fixture, time_machine, tmp_path):
    """Start the application: serve(environment)."""
    with ExitStack() as stack:

        def serve(environ):
            app = stack.enter_context(running(environ))
            client = app.test_client(use_cookies=False)
            return Service(client, environ, time_machine, tmp_path / "worker.log")

        yield serve


def use_all(service, fixture):
    """Use everything that the users of a fixture know."""
    for name, check in CHECKS.items():
        if name in fixture.known:
            try:
                check(service, fixture.known[name])
            except BaseException as failure:
                failure.add_note(f"{name} of {fixture.version}")
                raise


def replace_encryption_key(upgraded):
    """Encrypt everything with a new key; return the environment without the old one."""
    both = upgraded | {
        "GATEHOUSE_ENCRYPTION_KEYS": f"{NEW_KEY},{upgraded['GATEHOUSE_ENCRYPTION_KEYS']}"
    }
    with running(both) as app:
        done = app.test_cli_runner().invoke(args=["keys", "rotate-encryption"])
    assert done.exit_code == 0, done.output
    return both | {"GATEHOUSE_ENCRYPTION_KEYS": NEW_KEY}


def test_upgrade_checks_have_a_fixture_each():
    known = (Fixture(path.name).known for path in FIXTURES.iterdir())

    assert set().union(*known) == CHECKS.keys()


@pytest.mark.stores
def test_upgrade_keeps_what_users_know_and_then_the_encryption_key_is_replaced(
    fixture, upgraded, serve
):
    service = serve(upgraded)
    use_all(service, fixture)

    service = serve(replace_encryption_key(upgraded))

    known = fixture.known
    tokens = service.logs_in(known["password"])
    service.send("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    if "totp" in known:
        service.logs_in_with_totp(known["totp"])
        service.logs_in_with_passkey(known["passkey"])
        service.logs_in_with_sent_code(known["email"], "email", known["email"]["email"])


@pytest.mark.stores
@pytest.mark.parametrize("fixture", [*RELEASED, NEWEST], indirect=True)
def test_upgrade_keeps_what_users_know_when_the_encryption_key_is_replaced_first(
    fixture, upgraded, serve
):
    service = serve(replace_encryption_key(upgraded))

    use_all(service, fixture)


def test_upgrade_keeps_the_names_of_idempotent_routes_in_their_digests(app):
    views = app.view_functions.items()
    endpoints = {endpoint for endpoint, view in views if getattr(view, "idempotent", False)}

    labels = {IDEMPOTENT_ENDPOINTS.get(endpoint, endpoint) for endpoint in endpoints}

    assert labels >= set(IDEMPOTENT_ENDPOINTS.values())
    assert endpoints >= IDEMPOTENT_ENDPOINTS.keys()
