"""`gatehouse users ...`: search, change, disable, delete and restore users."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from gatehouse.database.session import db
from gatehouse.operations import cleanup
from models import Credential, Device, OneTimeCode, Session, User
from tests.client import PASSWORD
from tests.client import User as Person
from tests.rows import audited, rows
from tests.surface.conftest import read_tables
from tests.tokens.forgery import case

ADA = "ada@example.com"
REASON = ("--reason", "stolen laptop")


@pytest.fixture
def flask(app):
    """Run a command under `gatehouse users` that succeeds, and return its output."""

    def flask(*arguments, exit_code=0):
        result = app.test_cli_runner().invoke(args=["users", *arguments])
        assert result.exit_code == exit_code, result.output
        return result.output

    return flask


@pytest.fixture
def ada(client, make_user):
    user = make_user(email=ADA, username="ada")
    client.log_in(user)
    return user


def log_in(client, user):
    """Return the status and the code of a login with the right password."""
    form = {"identifier": user.email, "password": user.password}
    response = client.post("/auth/login", form)
    return response.status_code, response.json.get("code")


def clean_up(app):
    with app.app_context():
        cleanup.run_cleanup()


def test_users_list_and_show_print_users_without_secrets(client, ada, flask, make_user):
    make_user(email="bob@example.com", factors=["totp"])

    listed = json.loads(flask("list", "--json"))
    shown = json.loads(flask("show", "ada", "--json"))

    assert [user["email"] for user in listed["items"]] == ["bob@example.com", ADA]
    assert listed["estimated_total"] == 2
    assert shown == listed["items"][1]
    assert set(shown) == {
        *("id", "email", "email_verified", "username", "phone", "phone_verified", "name", "locale"),
        *("attributes", "status", "roles", "factors", "password", "disabled_at", "disabled_until"),
        *("disabled_reason", "deleted_at", "erased_after", "created_at", "updated_at"),
    }
    assert "bob@example.com" in flask("list", "--factor", "totp")
    assert "1 of about 1 users." in flask("list", "ad")
    assert "username:        ada" in flask("show", ADA)
    assert "1 active sessions." in flask("sessions", shown["id"])
    assert json.loads(flask("sessions", "ada", "--json"))["items"][0]["acr"] == "aal1"


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_users_disable_ends_everything_that_gives_access(app, client, ada, flask):
    first, second = ada.tokens, client.log_in(ada)
    client.post("/auth/password/forgot", {"email": ADA})
    link = client.mailbox(to=ADA)[0]["variables"]["link"]

    flask("disable", "ada", *REASON)

    for tokens in (first, second):
        assert client.as_(tokens).get("/auth/me").json["code"] == "token_revoked"
        assert client.refresh(tokens).json["code"] == "session_ended"
    form = {"token": link.rpartition("#")[2], "password": "another long phrase instead"}
    assert client.post("/auth/password/reset", form).json["code"] == "invalid_code"
    assert log_in(client, ada) == (403, "account_disabled")
    assert {row.end_reason for row in rows(app, Session)} == {"user_disabled"}
    [event] = audited(app, "user.disabled")
    assert (event.actor_kind, event.details["reason"]) == ("operator", "stolen laptop")
    assert event.user_id == rows(app, User)[0].id

    flask("enable", ADA)

    assert log_in(client, ada) == (200, None)
    assert client.as_(second).get("/auth/me").status_code == 401


def test_users_disable_ends_trust_and_factor_challenges(app, client, flask, make_user):
    user = make_user(email=ADA, factors=["totp"])
    client.complete_mfa(user, client.log_in(user), remember_device=True)
    pending = client.log_in(user)

    flask("disable", ADA, *REASON)

    form = {"mfa_token": pending["mfa_token"], "factor": "totp", "code": user.totp(1)}
    assert client.post("/auth/login/mfa", form).json["code"] == "invalid_code"
    assert {row.remembered_until for row in rows(app, Device)} == {None}
    assert len(rows(app, Credential)) == 2


def test_users_disable_until_a_time_ends_then_at_a_login_or_by_the_job(
    app, client, ada, flask, wait
):
    until = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    flask("disable", ADA, *REASON, "--until", until)
    wait(minutes=59)
    before = log_in(client, ada)
    wait(minutes=2)
    clean_up(app)

    assert before == (403, "account_disabled")
    assert rows(app, User)[0].disabled_at is None
    assert [event.actor_kind for event in audited(app, "user.enabled")] == ["system"]

    flask("disable", ADA, *REASON, "--until", f"{datetime.now(UTC) + timedelta(hours=1):%FT%T}")
    wait(hours=2)

    assert log_in(client, ada) == (200, None)
    assert rows(app, User)[0].disabled_reason is None


@pytest.mark.stores
def test_users_delete_can_be_restored_until_the_data_is_erased(app, client, ada, flask, wait):
    identifier = str(rows(app, User)[0].id)

    assert "can be restored until" in flask("delete", "ada", "--yes", *REASON)

    assert log_in(client, ada) == (403, "account_disabled")
    assert client.register(ADA).status_code == 202
    assert flask("enable", ADA, exit_code=1) == "Error: This user is deleted; restore it first.\n"
    wait(days=29)
    clean_up(app)
    flask("restore", identifier)
    assert log_in(client, ada) == (200, None)
    assert json.loads(flask("show", ADA, "--json"))["erased_after"] is None

    flask("delete", ADA, "--yes")
    wait(days=31)
    clean_up(app)

    assert rows(app, User) == rows(app, Session) == rows(app, Device) == []
    assert ADA not in str(read_tables(app)["audit_events"])
    assert rows(app, OneTimeCode) == []
    assert [str(event.user_id) for event in audited(app, "user.erased")] == [identifier]
    assert flask("restore", identifier, exit_code=1) == f"Error: {identifier} has no account.\n"


@pytest.mark.settings(GATEHOUSE_DELETION_GRACE_PERIOD="0")
def test_users_delete_without_a_grace_period_erases_at_the_next_run(app, flask, ada):
    flask("delete", ADA, "--yes")
    clean_up(app)

    assert rows(app, User) == []


def test_users_restore_keeps_a_user_disabled_who_was_disabled_before(app, client, ada, flask):
    flask("disable", ADA, *REASON)
    flask("delete", ADA, "--yes")

    flask("restore", ADA)

    assert log_in(client, ada) == (403, "account_disabled")
    assert flask("restore", ADA, exit_code=1).startswith("Error: This user is not deleted")


def test_deleted_users_get_no_codes(client, ada, flask):
    flask("delete", ADA, "--yes")
    before = len(client.mailbox(to=ADA))

    answers = [
        client.post("/auth/password/forgot", {"email": ADA}),
        client.post("/auth/login/link", {"email": ADA}),
    ]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(client.mailbox(to=ADA)) == before


@pytest.mark.requirement("PW-13")
def test_users_create_invites_a_user_who_chooses_a_password_once(app, client, flask):
    user = Person("new@example.com")
    shown = json.loads(flask("create", user.email, "--json"))
    link = client.mailbox(to=user.email)[0]["variables"]["link"]
    form = {"token": link.rpartition("#")[2], "password": PASSWORD}

    answers = [client.post("/auth/invitation", form).status_code for _ in range(2)]

    assert (shown["status"], shown["password"]) == ("unverified", "none")
    assert answers == [204, 401]
    assert client.log_in(user)["user"]["id"] == shown["id"]
    assert flask("create", user.email, exit_code=1) == (
        "Error: Another account has this e-mail address.\n"
    )


@pytest.mark.requirement("PW-13")
def test_users_reset_password_requires_a_new_one_that_only_the_user_sees(client, ada, flask):
    old = client.log_in(ada)

    flask("reset-password", ADA, "--yes")

    link = client.mailbox(to=ADA)[0]["variables"]["link"]
    assert client.as_(old).get("/auth/me").status_code == 401
    assert log_in(client, ada) == (403, "password_change_required")
    new = "another long phrase instead"
    form = {"token": link.rpartition("#")[2], "password": new}
    assert client.post("/auth/password/reset", form).status_code == 204
    assert log_in(client, Person(ADA, new)) == (200, None)


def test_users_end_sessions_ends_one_or_all(client, ada, flask):
    first, second = ada.tokens, client.log_in(ada)
    ids = [row["id"] for row in json.loads(flask("sessions", ADA, "--json"))["items"]]

    flask("end-sessions", ADA, "--session", ids[0], "--yes")
    after_one = [client.as_(one).get("/auth/me").status_code for one in (first, second)]
    flask("end-sessions", ADA, "--yes")

    assert after_one == [200, 401]
    assert client.refresh(second).status_code == 401
    assert flask("sessions", ADA) == "0 active sessions.\n"


def test_users_verify_email_lets_an_imported_user_log_in(app, client, ada, flask):
    with app.app_context():
        db.session.execute(update(User).values(email_verified_at=None))
        db.session.commit()
    before = log_in(client, ada)

    flask("verify-email", ADA)

    assert before == (403, "email_unverified")
    assert log_in(client, ada) == (200, None)


def test_users_commands_that_destroy_ask_first_and_change_nothing_without_an_answer(
    app, ada, flask
):
    before = read_tables(app)

    for command in ("delete", "end-sessions", "reset-password"):
        with case(command=command):
            assert "Aborted!" in flask(command, ADA, exit_code=1)
    assert read_tables(app) == before


def test_users_commands_report_what_is_wrong_in_one_sentence(app, flask):
    past = ("disable", ADA, *REASON, "--until", "2020-01-01")
    cases = [
        (("show", "nobody"), 1, "Error: nobody has no account.\n"),
        (("delete", "nobody", "--yes"), 1, "Error: nobody has no account.\n"),
        (("create", "no-email"), 1, "@"),
        (("disable", ADA), 2, "Missing option '--reason'"),
        (past, 2, "choose a time in the future"),
        (("disable", ADA, *REASON, "--until", "soon"), 2, "write a time such as"),
        (("list", "--status", "odd"), 2, "Invalid value for '--status'"),
    ]

    for arguments, code, sentence in cases:
        with case(arguments=arguments):
            assert sentence in flask(*arguments, exit_code=code)
    assert audited(app, "user.disabled", "user.deleted", "user.created") == []


def test_users_update_changes_and_clears_what_is_given(app, client, ada, flask):
    shown = json.loads(
        flask("update", ADA, "--name", "Ada", "--phone", "+49 151 12345678", "--json", *REASON)
    )
    flask("update", ADA, "--phone", "", "--email", "countess@example.com")

    after = json.loads(flask("show", "ada", "--json"))
    assert (shown["name"], shown["phone"], shown["phone_verified"]) == (
        *("Ada", "+4915112345678"),
        False,
    )
    assert (after["phone"], after["email"], after["name"]) == (None, "countess@example.com", "Ada")
    assert client.mailbox(to=ADA)[0]["template"].startswith("notice_email")
    assert audited(app, "user.updated")[0].details["reason"] == "stolen laptop"
    assert flask("update", "ada", "--phone", "12", exit_code=1).startswith("Error: phone: ")
    assert flask("update", "ada", "--email", "no", exit_code=1).startswith("Error: email: ")
    assert "at least one option" in flask("update", "ada", exit_code=2)


def test_users_create_takes_the_profile(flask):
    shown = json.loads(flask("create", ADA, "--username", "ada", "--name", "Ada", "--json"))

    assert (shown["username"], shown["name"]) == ("ada", "Ada")
    assert flask("create", "b@example.com", "--username", "a b", exit_code=1).startswith("Error: ")


def test_users_factors_lists_kinds_without_secrets(flask, make_user):
    make_user(email=ADA, factors=["totp"])

    kinds = [one["kind"] for one in json.loads(flask("factors", ADA, "--json"))["items"]]

    assert kinds == ["totp", "recovery_codes"]
    assert "2 confirmed factors." in flask("factors", ADA)


def test_users_list_finds_by_time_of_creation(ada, flask):
    assert ADA in flask("list", "--created-after", "2001-01-01")
    assert ADA not in flask("list", "--created-before", "2001-01-01")


def test_users_commands_take_a_reason_and_print_json(app, flask, make_user):
    make_user(email=ADA, factors=["totp"])

    assert json.loads(flask("unlock", ADA, "--json", *REASON))["email"] == ADA
    assert json.loads(flask("extend-mfa-grace", ADA, "--json", *REASON)).keys() == {"ends_at"}
    assert json.loads(flask("reset-mfa", ADA, "--json", *REASON)).keys() == {"due_at"}
    invited = json.loads(flask("invite", "new@example.com", "--json"))
    assert (invited["email"], "#" in invited["link"]) == ("new@example.com", True)
    events = audited(app, "account.unlocked", "mfa.grace_extended", "factor.grace_extended")
    events += audited(app, "factor.reset_scheduled")
    assert [event.details.get("reason") for event in events] == ["stolen laptop"] * 3
