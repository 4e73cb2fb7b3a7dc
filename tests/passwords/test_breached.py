"""Passwords that were stolen elsewhere are refused, and those that were flagged open nothing."""

import hashlib

import pytest
import sqlalchemy as sa
from zxcvbn_rs_py import zxcvbn

from gatehouse.core.errors import ValidationFailed
from gatehouse.database.session import db, writing
from gatehouse.passwords import breached
from gatehouse.passwords import service as passwords
from gatehouse.passwords.error_messages import WARNINGS
from gatehouse.web.request_context import NOBODY
from models import Password, Session
from tests.client import PASSWORD
from tests.config.conftest import complaints, read
from tests.letters import later
from tests.rows import audited, rows

STOLEN = "eleven violet umbrellas 7"
OTHERS = [f"somebody's password {number}" for number in range(500)]
FORGED = "0" * 39


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest().upper()


def listed(*passwords, end="\r\n"):
    return "".join(f"{digest}:3{end}" for digest in sorted(map(sha1, passwords)))


@pytest.fixture(scope="session")
def stolen_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("breached") / "list.txt"
    path.write_text(listed(STOLEN, *OTHERS), newline="")
    return path


@pytest.fixture
def provider(httpserver):
    """A range look-up that knows what was stolen, and pads its answers."""
    digest = sha1(STOLEN)
    told = f"{'0' * 34}1:0\r\n{digest[5:]}:12\r\n{'F' * 35}:0\r\n"
    httpserver.expect_request(f"/range/{digest[:5]}").respond_with_data(told)
    return httpserver


@pytest.fixture
def settings_environment(request, settings_environment):
    """Use the file, or the look-up, where a test names one."""
    more = {}
    if "stolen_file" in request.fixturenames:
        more["GATEHOUSE_BREACHED_PASSWORDS"] = str(request.getfixturevalue("stolen_file"))
    if "provider" in request.fixturenames:
        server = request.getfixturevalue("provider")
        more["GATEHOUSE_BREACHED_LOOKUP"] = server.url_for("/range/")
        more["GATEHOUSE_OUTBOUND_ALLOWED"] = f"localhost:{server.port}"
    return settings_environment | more


def reason(answer):
    return answer.status_code, answer.json["errors"]["password"][0]["code"]


# The file


@pytest.mark.requirement("PW-06")
def test_a_stolen_password_is_refused_on_every_path(stolen_file, path):
    answer = path.set(STOLEN)

    assert reason(answer) == (422, "password_breached")
    assert path.set("twelve violet umbrellas 7").status_code in (200, 204)


def test_every_line_is_found_and_nothing_between_them(app, stolen_file):
    with app.app_context():
        assert all(breached.is_known(password) for password in OTHERS)
        assert not any(breached.is_known(f"{password}!") for password in OTHERS)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_short_lists_are_searched_to_their_ends(app, tmp_path, number, end):
    path = tmp_path / "list.txt"
    for written in (listed(*OTHERS[:number], end=end), listed(*OTHERS[:number], end=end).rstrip()):
        path.write_text(written.lower(), newline="")

        with app.app_context():
            found = [breached._stands_in(str(path), sha1(one)) for one in OTHERS[:5]]
        assert found == [True] * number + [False] * (5 - number)


def test_a_list_that_is_gone_refuses_nobody(app, stolen_file, client):
    moved = stolen_file.rename(stolen_file.with_suffix(".old"))

    answer = client.register("bob@example.com", STOLEN)

    moved.rename(stolen_file)
    assert answer.status_code == 202


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "must name a readable file that is not empty."),
        ("not a hash\n" * 9, "must hold lines like 000000005AD76BD555C1D6D771DE417A4B87E4B4:10."),
        (f"{FORGED}2:1\n{FORGED}1:1\n", "must be ordered by hash."),
        (f"{FORGED}1:1\n{FORGED}2:x\n", "must hold lines like 0000"),
        ("\0" * 100, "must hold lines like 0000"),
    ],
)
def test_a_list_that_cannot_be_searched_stops_the_start(tmp_path, written, sentence):
    path = tmp_path / "list.txt"
    path.write_text(written)

    [told] = complaints(GATEHOUSE_BREACHED_PASSWORDS=str(path))

    assert told.startswith(f"GATEHOUSE_BREACHED_PASSWORDS {sentence}")


def test_a_list_that_is_not_there_stops_the_start(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        [told] = complaints(GATEHOUSE_BREACHED_PASSWORDS=str(path))

        assert told.endswith("must name a readable file that is not empty.")


def test_without_a_list_nobody_is_asked():
    assert (read().breached_passwords, read().breached_lookup) == ("", "")


# The look-up


@pytest.mark.requirement("PW-06")
def test_five_digits_of_the_hash_are_sent_and_no_more(provider, client):
    answer = client.register("bob@example.com", STOLEN)

    [(request, _)] = provider.log
    assert reason(answer) == (422, "password_breached")
    assert request.full_path.rstrip("?") == f"/range/{sha1(STOLEN)[:5]}"
    assert request.headers["Add-Padding"] == "true"
    assert request.get_data() == b""


def test_padding_is_no_password(provider, app):
    digest = sha1("a padded one")
    provider.expect_request(f"/range/{digest[:5]}").respond_with_data(f"{digest[5:]}:0\r\n")

    with app.app_context():
        assert not breached.is_known("a padded one")


@pytest.mark.parametrize(("status", "body"), [(500, ""), (200, "<html>"), (429, ""), (302, "")])
def test_a_look_up_out_of_order_refuses_nobody(provider, client, status, body):
    provider.clear()
    provider.expect_request(f"/range/{sha1(STOLEN)[:5]}").respond_with_data(body, status)

    assert client.register("bob@example.com", STOLEN).status_code == 202


def test_a_look_up_that_is_gone_refuses_nobody_and_is_logged(provider, client, caplog, capfd):
    provider.stop()
    try:
        answer = client.register("bob@example.com", STOLEN)
    finally:
        provider.start()

    assert answer.status_code == 202
    assert "was not compared with stolen ones" in caplog.text + "".join(capfd.readouterr())


# Flagged, and old


@pytest.fixture
def flagged(app, client, make_user):
    ada = make_user(email="ada@example.com")
    client.log_in(ada)
    done = app.test_cli_runner().invoke(args=["passwords", "flag", ada.email])
    assert done.exit_code == 0, done.output
    return ada


def log_in(client, password=PASSWORD):
    return client.post("/auth/login", {"identifier": "ada@example.com", "password": password})


@pytest.mark.stores
@pytest.mark.requirement("PW-08")
def test_a_flagged_password_opens_no_session_and_only_who_knows_it_is_told(app, client, flagged):
    right, wrong = log_in(client), log_in(client, "not her password at all")

    assert (right.status_code, right.json["code"]) == (403, "password_change_required")
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert [session.end_reason for session in rows(app, Session)] == ["password_compromised"]
    assert len(audited(app, "login.refused")) == 1


@pytest.mark.requirement("PW-08")
def test_a_new_password_is_not_flagged(app, client, flagged):
    with app.app_context():
        fresh = passwords.hash_new("another long phrase instead", NOBODY)
        with writing():
            [row] = db.session.scalars(sa.select(Password))
            passwords.store(row.user_id, fresh)
        db.session.commit()

    assert log_in(client, "another long phrase instead").status_code == 200


@pytest.mark.requirement("PW-08")
def test_a_password_never_expires_by_age(client, make_user):
    make_user(email="ada@example.com")

    with later(days=400):
        assert log_in(client).status_code == 200


def test_nobody_without_an_account_can_be_flagged(app):
    done = app.test_cli_runner().invoke(args=["passwords", "flag", "nobody@example.com"])

    assert done.exit_code == 1
    assert "nobody@example.com has no account." in done.output


# What is told


def test_a_refusal_is_told_in_the_words_of_the_person(app):
    german = {"Use at least %(least)s characters.": "Mindestens %(least)s Zeichen."}
    with app.app_context(), pytest.raises(ValidationFailed) as refused:
        passwords.require_good("short", [], say=german.__getitem__)

    told = [{"code": "password_too_short", "message": "Mindestens 15 Zeichen."}]
    assert refused.value.errors == {"password": told}


@pytest.mark.parametrize(
    "weak",
    ["educationeducation", "jennifer19870412x", "qazwsxedcrfvtgbyh", "2021-03-04 2021-03-05"],
)
def test_what_the_estimator_says_is_a_sentence_that_can_be_translated(weak):
    warning = zxcvbn(weak).feedback

    assert not warning or not warning.warning or str(warning.warning) in WARNINGS
