"""Breached passwords are rejected, and flagged passwords open no session."""

import hashlib
import itertools

import pytest
import sqlalchemy as sa
from zxcvbn_rs_py import zxcvbn

from gatehouse.core.errors import ValidationFailed
from gatehouse.database.session import db, write_transaction
from gatehouse.passwords import breached
from gatehouse.passwords import service as passwords
from gatehouse.passwords.error_messages import ZXCVBN_WARNINGS
from gatehouse.web.request_context import NO_REQUEST
from models import Password, Session
from tests.client import PASSWORD
from tests.config.conftest import read_problems, read_settings
from tests.mail_links import advance_clock
from tests.rows import audited, rows

BREACHED = "eleven violet umbrellas 7"
OTHERS = [f"another password {number}" for number in range(500)]
HASH_PREFIX = "0" * 39


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest().upper()


def build_list(*passwords, end="\r\n"):
    return "".join(f"{digest}:3{end}" for digest in sorted(map(sha1, passwords)))


@pytest.fixture(scope="session")
def breached_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("breached") / "list.txt"
    path.write_text(build_list(BREACHED, *OTHERS), newline="")
    return path


@pytest.fixture
def provider(httpserver):
    """Return a range API that has the breached password, and pads its responses."""
    digest = sha1(BREACHED)
    lines = f"{'0' * 34}1:0\r\n{digest[5:]}:12\r\n{'F' * 35}:0\r\n"
    httpserver.expect_request(f"/range/{digest[:5]}").respond_with_data(lines)
    return httpserver


@pytest.fixture
def settings_environment(request, settings_environment):
    """Use the file or the range API in tests that name one."""
    settings = {}
    if "breached_file" in request.fixturenames:
        settings["GATEHOUSE_BREACHED_PASSWORDS"] = str(request.getfixturevalue("breached_file"))
    if "provider" in request.fixturenames:
        server = request.getfixturevalue("provider")
        settings["GATEHOUSE_PWNED_PASSWORDS_URL"] = server.url_for("/range/")
        settings["GATEHOUSE_EGRESS_ALLOWLIST"] = f"localhost:{server.port}"
    return settings_environment | settings


def read_error(response):
    return response.status_code, response.json["errors"]["password"][0]["code"]


# The local list


@pytest.mark.requirement("PW-06")
def test_breached_password_is_rejected_in_every_flow(breached_file, flow):
    response = flow.set(BREACHED)

    assert read_error(response) == (422, "password_breached")
    assert flow.set("twelve violet umbrellas 7").status_code in (200, 204)


def test_local_list_finds_exactly_its_own_passwords(app, breached_file):
    with app.app_context():
        assert all(breached.is_breached(password) for password in OTHERS)
        assert not any(breached.is_breached(f"{password}!") for password in OTHERS)


def test_local_list_of_a_few_lines_is_searched_completely(app, tmp_path):
    path = tmp_path / "list.txt"
    for number, end in itertools.product((1, 2, 3), ("\n", "\r\n")):
        lines = build_list(*OTHERS[:number], end=end)
        for content in (lines, lines.rstrip()):
            path.write_text(content.lower(), newline="")

            with app.app_context():
                found = [breached._search_file(str(path), sha1(one)) for one in OTHERS[:5]]
            assert found == [True] * number + [False] * (5 - number), (number, content)


def test_local_list_that_was_removed_rejects_no_password(app, breached_file, client):
    moved = breached_file.rename(breached_file.with_suffix(".old"))

    response = client.register("bob@example.com", BREACHED)

    moved.rename(breached_file)
    assert response.status_code == 202


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "must name a readable file that is not empty."),
        ("not a hash\n" * 9, "must have lines like 000000005AD76BD555C1D6D771DE417A4B87E4B4:10."),
        (f"{HASH_PREFIX}2:1\n{HASH_PREFIX}1:1\n", "must be ordered by hash."),
        (f"{HASH_PREFIX}1:1\n{HASH_PREFIX}2:x\n", "must have lines like 0000"),
        ("\0" * 100, "must have lines like 0000"),
    ],
)
def test_local_list_with_a_wrong_format_stops_the_start(tmp_path, written, sentence):
    path = tmp_path / "list.txt"
    path.write_text(written)

    [problem] = read_problems(GATEHOUSE_BREACHED_PASSWORDS=str(path))

    assert problem.startswith(f"GATEHOUSE_BREACHED_PASSWORDS {sentence}")


def test_local_list_that_is_missing_stops_the_start(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        [problem] = read_problems(GATEHOUSE_BREACHED_PASSWORDS=str(path))

        assert problem.endswith("must name a readable file that is not empty.")


def test_breached_password_checks_are_off_by_default():
    assert (read_settings().breached_passwords, read_settings().pwned_passwords_url) == ("", "")


# The range API


@pytest.mark.requirement("PW-06")
def test_range_api_receives_five_digits_of_the_hash_only(provider, client):
    response = client.register("bob@example.com", BREACHED)

    [(request, _)] = provider.log
    assert read_error(response) == (422, "password_breached")
    assert request.full_path.rstrip("?") == f"/range/{sha1(BREACHED)[:5]}"
    assert request.headers["Add-Padding"] == "true"
    assert request.get_data() == b""


def test_range_api_padding_matches_no_password(provider, app):
    digest = sha1("a padded one")
    provider.expect_request(f"/range/{digest[:5]}").respond_with_data(f"{digest[5:]}:0\r\n")

    with app.app_context():
        assert not breached.is_breached("a padded one")


@pytest.mark.parametrize(("status", "body"), [(500, ""), (200, "<html>"), (429, ""), (302, "")])
def test_range_api_error_rejects_no_password(provider, client, status, body):
    provider.clear()
    provider.expect_request(f"/range/{sha1(BREACHED)[:5]}").respond_with_data(body, status)

    assert client.register("bob@example.com", BREACHED).status_code == 202


def test_range_api_that_is_down_rejects_no_password_and_is_logged(provider, client, caplog, capfd):
    provider.stop()
    try:
        response = client.register("bob@example.com", BREACHED)
    finally:
        provider.start()

    assert response.status_code == 202
    assert "A list of breached passwords is unavailable" in caplog.text + "".join(
        capfd.readouterr()
    )


# Flagged passwords


@pytest.fixture
def flagged_user(app, client, make_user):
    ada = make_user(email="ada@example.com")
    client.log_in(ada)
    result = app.test_cli_runner().invoke(args=["passwords", "flag", ada.email])
    assert result.exit_code == 0, result.output
    return ada


def log_in(client, password=PASSWORD):
    return client.post("/auth/login", {"identifier": "ada@example.com", "password": password})


@pytest.mark.stores
@pytest.mark.requirement("PW-08")
def test_flagged_password_opens_no_session_and_is_disclosed_only_after_verification(
    app, client, flagged_user
):
    correct, wrong = log_in(client), log_in(client, "not her password at all")

    assert (correct.status_code, correct.json["code"]) == (403, "password_change_required")
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert [session.end_reason for session in rows(app, Session)] == ["password_compromised"]
    assert len(audited(app, "login.refused")) == 1


@pytest.mark.requirement("PW-08")
def test_flagged_password_can_be_replaced_by_a_new_one(app, client, flagged_user):
    with app.app_context():
        password_hash = passwords.hash_password("another long phrase instead", NO_REQUEST)
        with write_transaction():
            [row] = db.session.scalars(sa.select(Password))
            passwords.store_password_hash(row.user_id, password_hash)
        db.session.commit()

    assert log_in(client, "another long phrase instead").status_code == 200


@pytest.mark.requirement("PW-08")
def test_password_never_expires(client, make_user):
    make_user(email="ada@example.com")

    with advance_clock(days=400):
        assert log_in(client).status_code == 200


def test_flag_command_without_an_account_fails(app):
    result = app.test_cli_runner().invoke(args=["passwords", "flag", "unknown@example.com"])

    assert result.exit_code == 1
    assert "unknown@example.com has no account." in result.output


# Error messages


def test_rejected_password_message_is_translated(app):
    german = {"Use at least %(least)s characters.": "Mindestens %(least)s Zeichen."}
    with app.app_context(), pytest.raises(ValidationFailed) as rejected:
        passwords.require_acceptable_password("short", [], translate=german.__getitem__)

    error = {"code": "password_too_short", "message": "Mindestens 15 Zeichen."}
    assert rejected.value.errors == {"password": [error]}


def test_zxcvbn_warnings_are_all_translatable():
    for weak in (
        "educationeducation",
        "jennifer19870412x",
        "qazwsxedcrfvtgbyh",
        "2021-03-04 2021-03-05",
    ):
        feedback = zxcvbn(weak).feedback
        warning = feedback and feedback.warning

        assert not warning or str(warning) in ZXCVBN_WARNINGS, weak
