"""After the grace period nothing in the database names a deleted user but a pseudonym."""

import pytest
from sqlalchemy import select, text, update

from gatehouse.core import clock
from gatehouse.database.session import Base, db
from gatehouse.operations.cleanup import run_cleanup
from gatehouse.users import profile_schema_store
from gatehouse.web.request_context import NO_REQUEST
from models import AuditEvent, OutboxMessage, Session, User
from tests.account.conftest import NUMBER, verify_phone
from tests.client import PASSWORD
from tests.rows import audited, rows
from tests.stores import read_database_files

EMAIL, REASON = "canary.ada@example.com", "canary reason"
AGENT, IP_ADDRESS = "Canary/1.0 (Canary)", "203.0.113.77"
CANARIES = ("canary", NUMBER, IP_ADDRESS)
HEADERS = {"User-Agent": AGENT, "X-Forwarded-For": IP_ADDRESS}

pytestmark = [
    pytest.mark.requirement("RG-12"),
    pytest.mark.settings(GATEHOUSE_TRUSTED_HOPS="1"),
]


@pytest.fixture(autouse=True)
def attribute(app):
    """Declare an attribute that users write, and administrators read."""
    both = {"read": ["user", "administrator"], "write": ["user"]}
    nickname = {"type": "string", "x-gatehouse": both | {"claim": "nickname"}}
    with app.app_context():
        schema = {"type": "object", "properties": {"nickname": nickname}}
        profile_schema_store.replace_schema(schema, NO_REQUEST)
        db.session.commit()


def live_a_life(client, make_user):
    """Do what leaves traces; return the user and tokens."""
    user = make_user(email=EMAIL, username="canary_ada", name="Canary Ada")
    form = {"identifier": EMAIL, "password": PASSWORD}
    tokens = user.tokens = client.post("/auth/login", form, headers=HEADERS).json
    signed_in = client.as_(tokens)
    named = signed_in.patch("/auth/me", {"attributes": {"nickname": "the canary"}}, headers=HEADERS)
    assert named.json["attributes"] == {"nickname": "the canary"}
    verify_phone(client, tokens, NUMBER)
    signed_in.enrol_totp(user, label="canary phone")
    wrong = {"identifier": EMAIL, "password": "wrong canary"}
    client.post("/auth/login", wrong, headers=HEADERS)
    client.post("/auth/password/forgot", {"email": EMAIL}, headers=HEADERS)
    return user


def erase(app, client, user, admin, wait):
    [row] = rows(app, User, email_canonical=EMAIL)
    path = f"/admin/users/{row.id}"
    assert admin.post(f"{path}/disable", {"reason": REASON}, headers=HEADERS).status_code < 300
    version = {"If-Match": admin.get(path).headers["ETag"]}
    assert admin.delete(path, headers=HEADERS | version).status_code < 300
    wait(days=31)
    with app.app_context():
        run_cleanup()
    return row.id


def dump(app):
    """Return every value of every table as text, by table."""
    with app.app_context():
        tables = Base.metadata.sorted_tables
        return {
            table.name: repr([tuple(row) for row in db.session.execute(select(table))]).lower()
            for table in tables
        }


@pytest.mark.stores
def test_erasure_leaves_no_canary_in_any_table(app, client, make_user, sign_in_as, wait):
    user = live_a_life(client, make_user)
    before = dump(app)
    assert {name for name, text in before.items() if any(each in text for each in CANARIES)} >= {
        "users",
        "audit_events",
        "sessions",
        "outbox",
        "devices",
    }
    admin = sign_in_as("admin", email="root@example.com")

    user_id = erase(app, client, user, admin, wait)

    found = {
        (name, canary) for name, text in dump(app).items() for canary in CANARIES if canary in text
    }
    assert not found - {("audit_events", IP_ADDRESS)}  # of the administrator, who used it, too
    events = rows(app, AuditEvent, user_id=user_id)
    assert {event.ip_address for event in events} == {""}
    assert "login.succeeded" in {event.name for event in events}
    assert audited(app, "user.erased")[0].user_id == user_id
    assert not rows(app, OutboxMessage, recipient_lower=EMAIL)


def test_erasure_overwrites_the_file(app, client, make_user, sign_in_as, wait):
    user = live_a_life(client, make_user)
    admin = sign_in_as("admin", email="root@example.com")
    assert b"canary" in read_files(app)

    erase(app, client, user, admin, wait)

    assert b"canary" not in read_files(app)


def test_erased_user_is_in_no_backup_and_was_never_in_the_log(
    app, client, make_user, sign_in_as, wait, tmp_path, capsys
):
    user = live_a_life(client, make_user)
    admin = sign_in_as("admin", email="root@example.com")
    before, after = tmp_path / "before", tmp_path / "after"
    run = app.test_cli_runner()
    assert run.invoke(args=["backup", str(before)]).exit_code == 0
    erase(app, client, user, admin, wait)
    logged = capsys.readouterr().err.lower()

    done = run.invoke(args=["backup", str(after)])

    assert done.exit_code == 0, done.output
    assert b"canary" in read_database_files(str(before)).lower()
    assert b"canary" not in read_database_files(str(after)).lower()
    assert '"route": "/auth/login"' in logged
    assert not [canary for canary in CANARIES if canary in logged]


def read_files(app):
    """Return the database file and its write-ahead log, emptied into it, in lower case."""
    with app.app_context():
        [(is_busy, *_)] = db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        path = db.engine.url.database
        db.session.remove()
    assert not is_busy
    return read_database_files(path).lower()


@pytest.mark.settings(
    GATEHOUSE_ENDED_SESSION_RETENTION="86400", GATEHOUSE_MESSAGE_RETENTION="86400"
)
def test_ended_sessions_and_messages_are_kept_as_long_as_the_settings_say(
    app, client, make_user, wait
):
    tokens = client.log_in(make_user(email=EMAIL))
    client.post("/auth/password/forgot", {"email": EMAIL})
    client.as_(tokens).post("/auth/logout", {})
    with app.app_context():
        db.session.execute(update(OutboxMessage).values(sent_at=clock.now()))
        db.session.commit()

    for hours, kept in [(23, True), (2, False)]:
        wait(hours=hours)
        with app.app_context():
            run_cleanup()
        assert (bool(rows(app, Session)), bool(rows(app, OutboxMessage))) == (kept, kept)
